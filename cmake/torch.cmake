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
        "import os, torch; at = os.path.dirname(torch.__file__); print(at, os.path.dirname(at), int(torch.version.cuda is not None), int(torch._C._GLIBCXX_USE_CXX11_ABI), sep=';')"
      RESULT_VARIABLE _probe_result OUTPUT_VARIABLE _probe ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()
  if(_probe_result EQUAL 0)
    list(GET _probe 0 _python_torch)
    list(GET _probe 1 _python_site)
    list(GET _probe 2 _python_cuda)
    list(GET _probe 3 _python_abi)
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
      "system's libraries. Install PyTorch 2.7 or later, or configure with -DGREENROOM_TORCH=system.")
  endif()
  # Not by way of PyTorch's own TorchConfig.cmake: with CUDA it asks for nvcc and the whole toolkit, of which a program
  # that compiles no kernels needs the runtime's header alone.
  set(TORCH_INCLUDE_DIRS ${_python_torch}/include ${_python_torch}/include/torch/csrc/api/include)
  set(TORCH_LIBRARIES ${_python_torch}/lib/libtorch.so ${_python_torch}/lib/libtorch_cpu.so ${_python_torch}/lib/libc10.so)
  set(GREENROOM_HAVE_TORCH ON)
  if(_python_cuda EQUAL 1)
    # From the packages that PyTorch brought along, else from a CUDA toolkit.
    find_path(GREENROOM_CUDA_INCLUDE cuda_runtime_api.h
      HINTS ${_python_site}/nvidia/cuda_runtime/include ${_python_site}/nvidia/cu13/include
      PATHS /usr/local/cuda/include $ENV{CUDA_HOME}/include)
    # That header needs one of the compiler's, which Triton brings along too.
    find_path(GREENROOM_CUDA_CRT_INCLUDE crt/host_defines.h
      HINTS ${GREENROOM_CUDA_INCLUDE} ${_python_site}/nvidia/cuda_nvcc/include ${_python_site}/nvidia/cu13/include
        ${_python_site}/triton/backends/nvidia/include)
    file(GLOB _cudart ${_python_site}/nvidia/cuda_runtime/lib/libcudart.so.* ${_python_site}/nvidia/cu13/lib/libcudart.so.*)
    if(_cudart)
      list(GET _cudart 0 GREENROOM_CUDART)
    else()
      find_library(GREENROOM_CUDART cudart PATHS /usr/local/cuda/lib64 $ENV{CUDA_HOME}/lib64)
    endif()
    if(NOT GREENROOM_CUDA_INCLUDE OR NOT GREENROOM_CUDA_CRT_INCLUDE OR NOT GREENROOM_CUDART)
      message(FATAL_ERROR "The PyTorch of python3 has CUDA, but the CUDA runtime's headers or library were not found. "
        "Install the packages nvidia-cuda-runtime-cu12 and nvidia-cuda-nvcc-cu12 of PyTorch's CUDA version with pip "
        "(for CUDA 13 those without -cu12), or a CUDA toolkit and set CUDA_HOME.")
    endif()
    list(APPEND TORCH_INCLUDE_DIRS ${GREENROOM_CUDA_INCLUDE} ${GREENROOM_CUDA_CRT_INCLUDE})
    # libtorch_cuda registers its kernels when it is loaded; no symbol of it is named here.
    list(APPEND TORCH_LIBRARIES -Wl,--push-state,--no-as-needed ${_python_torch}/lib/libtorch_cuda.so -Wl,--pop-state
      ${_python_torch}/lib/libc10_cuda.so ${GREENROOM_CUDART})
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
  # The C++ library first: PyTorch 2.11's libtorch.so exports a std::filesystem of its own, which does not work in others.
  target_link_libraries(greenroom_torch INTERFACE stdc++ ${TORCH_LIBRARIES} Threads::Threads)
endif()
message(STATUS "libtorch: ${_torch_choice} (${GREENROOM_HAVE_TORCH})")
