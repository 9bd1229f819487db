# Finds libtorch where it is and sets GREENROOM_HAVE_TORCH and the target greenroom_torch.
#
#   system  the distribution's libtorch-dev
#   python  the PyTorch that `python3 -c "import torch"` finds, CUDA or not
#   auto    python when that PyTorch has CUDA, else system, else off
#   off     build without: everything below nn and models still builds and is tested
#
# GREENROOM_HAVE_CUDA says whether that libtorch has CUDA.
set(GREENROOM_HAVE_TORCH OFF)
set(GREENROOM_HAVE_CUDA OFF)
set(_torch_choice ${GREENROOM_TORCH})

if(_torch_choice STREQUAL "auto" OR _torch_choice STREQUAL "python")
  find_program(GREENROOM_PYTHON python3)
  set(_probe_result 1)
  if(GREENROOM_PYTHON)
    execute_process(
      COMMAND ${GREENROOM_PYTHON} -c
        "import torch; print(torch.utils.cmake_prefix_path, int(torch.version.cuda is not None), int(torch._C._GLIBCXX_USE_CXX11_ABI), sep=';')"
      RESULT_VARIABLE _probe_result OUTPUT_VARIABLE _probe ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()
  if(_probe_result EQUAL 0)
    list(GET _probe 0 _python_prefix)
    list(GET _probe 1 _python_cuda)
    list(GET _probe 2 _python_abi)
  endif()
  if(_torch_choice STREQUAL "python")
    if(NOT _probe_result EQUAL 0)
      message(FATAL_ERROR "GREENROOM_TORCH=python, but `python3 -c \"import torch\"` fails. "
        "Activate the environment that has PyTorch, or configure with -DGREENROOM_TORCH=system.")
    endif()
  elseif(_probe_result EQUAL 0 AND _python_cuda EQUAL 1)
    set(_torch_choice python)
  else()
    set(_torch_choice system)
  endif()
endif()

if(_torch_choice STREQUAL "python")
  if(NOT _python_abi EQUAL 1)
    message(FATAL_ERROR "The PyTorch of python3 was built with the old C++ ABI, which cannot be linked with the "
      "system's libraries. Install PyTorch 2.6 or later, or configure with -DGREENROOM_TORCH=system.")
  endif()
  find_package(Torch REQUIRED PATHS ${_python_prefix} NO_DEFAULT_PATH)
  set(GREENROOM_HAVE_TORCH ON)
  if(_python_cuda EQUAL 1)
    find_package(CUDAToolkit REQUIRED)
    set(GREENROOM_HAVE_CUDA ON)
  endif()
elseif(_torch_choice STREQUAL "system")
  # Debian's TorchConfig pulls in development packages that linking does not need, so look for the parts directly.
  find_path(GREENROOM_TORCH_INCLUDE torch/csrc/api/include/torch/torch.h)
  find_library(GREENROOM_TORCH_LIB torch)
  find_library(GREENROOM_TORCH_CPU_LIB torch_cpu)
  find_library(GREENROOM_C10_LIB c10)
  if(GREENROOM_TORCH_INCLUDE AND GREENROOM_TORCH_LIB AND GREENROOM_TORCH_CPU_LIB AND GREENROOM_C10_LIB)
    set(TORCH_INCLUDE_DIRS ${GREENROOM_TORCH_INCLUDE} ${GREENROOM_TORCH_INCLUDE}/torch/csrc/api/include)
    set(TORCH_LIBRARIES ${GREENROOM_TORCH_LIB} ${GREENROOM_TORCH_CPU_LIB} ${GREENROOM_C10_LIB})
    set(GREENROOM_HAVE_TORCH ON)
  elseif(GREENROOM_TORCH STREQUAL "system")
    message(FATAL_ERROR "GREENROOM_TORCH=system, but libtorch was not found. Install libtorch-dev, "
      "or configure with -DGREENROOM_TORCH=python or off.")
  endif()
endif()

if(GREENROOM_HAVE_TORCH)
  add_library(greenroom_torch INTERFACE)
  target_include_directories(greenroom_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
  target_link_libraries(greenroom_torch INTERFACE ${TORCH_LIBRARIES} Threads::Threads)
  if(GREENROOM_HAVE_CUDA)
    target_link_libraries(greenroom_torch INTERFACE CUDA::cudart)
  endif()
endif()
message(STATUS "libtorch: ${_torch_choice} (${GREENROOM_HAVE_TORCH})")
