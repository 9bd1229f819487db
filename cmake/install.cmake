# `cmake --install`: the program, the library of the C++ API with its headers, and what find_package(greenroom) reads.
# libgreenroom_models.so lies beside libgreenroom.so and is opened from there when the first model is loaded.
include(CMakePackageConfigHelpers)

install(TARGETS greenroom RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(TARGETS greenroom_api EXPORT greenroom
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT api NAMELINK_COMPONENT api)
install(DIRECTORY include/greenroom DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT api)
if(GREENROOM_HAVE_TORCH)
  # libtorch may lie in a Python environment: keep the way to it.
  set_target_properties(greenroom_models PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS greenroom_models LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT models)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/greenroom)
install(EXPORT greenroom NAMESPACE greenroom:: FILE greenroomTargets.cmake DESTINATION ${package_dir} COMPONENT api)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/greenroomConfig.cmake.in
  ${CMAKE_BINARY_DIR}/greenroomConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/greenroomConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/greenroomConfig.cmake ${CMAKE_BINARY_DIR}/greenroomConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT api)
