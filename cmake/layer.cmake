# greenroom_layer(NAME SOURCES ... [DEPENDS ...] [LINKS ...])
#
# A layer is one folder under src/: a static library greenroom_NAME whose include root is src/.
# DEPENDS names other layers, LINKS names foreign libraries. tools/check_layers.py checks the includes.
function(greenroom_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LINKS" ${ARGN})
  add_library(greenroom_${name} STATIC ${ARG_SOURCES})
  target_include_directories(greenroom_${name} PUBLIC ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../src)
  target_link_libraries(greenroom_${name} PRIVATE greenroom_flags)
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(greenroom_${name} PUBLIC greenroom_${dependency})
  endforeach()
  target_link_libraries(greenroom_${name} PUBLIC ${ARG_LINKS})
endfunction()

# greenroom_test(NAME SOURCES ... LINKS ...)
#
# One GoogleTest executable per folder of tests/, its cases registered one by one with CTest.
function(greenroom_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(greenroom_${name}_test ${ARG_SOURCES})
  target_include_directories(greenroom_${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(greenroom_${name}_test PRIVATE ${ARG_LINKS} greenroom_flags GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(greenroom_${name}_test PRIVATE
    GREENROOM_TEST_DATA="${PROJECT_SOURCE_DIR}/tests" GREENROOM_BINARY_DIR="${CMAKE_BINARY_DIR}")
  gtest_discover_tests(greenroom_${name}_test TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600)
endfunction()
