# One interface target with the flags every part of the project is compiled with.
add_library(greenroom_flags INTERFACE)
target_compile_options(greenroom_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(greenroom_flags INTERFACE -Wthread-safety)
endif()
if(GREENROOM_SANITIZE)
  target_compile_options(greenroom_flags INTERFACE -fsanitize=${GREENROOM_SANITIZE} -fno-omit-frame-pointer -g1)
  target_link_options(greenroom_flags INTERFACE -fsanitize=${GREENROOM_SANITIZE})
  if(GREENROOM_SANITIZE MATCHES "undefined")
    target_compile_options(greenroom_flags INTERFACE -fno-sanitize-recover=undefined)
  endif()
endif()

# Repeated builds of the same files are common here (presets, clean clones): let ccache answer them where it is.
find_program(GREENROOM_CCACHE ccache)
if(GREENROOM_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${GREENROOM_CCACHE})
endif()
