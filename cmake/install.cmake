# Prefix install: the program, the static libraries, the public headers, a CMake package and the built-in models.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/hindscan)

get_property(layers GLOBAL PROPERTY HS_LAYERS)
list(REMOVE_ITEM layers hindscan_cli)
install(TARGETS ${layers} hindscan_all EXPORT hindscan-targets)
install(EXPORT hindscan-targets NAMESPACE hindscan:: DESTINATION ${package_dir})
configure_package_config_file(cmake/hindscan-config.cmake.in ${PROJECT_BINARY_DIR}/hindscan-config.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/hindscan-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/hindscan-config.cmake ${PROJECT_BINARY_DIR}/hindscan-config-version.cmake
  cmake/modules/FindOneDNN.cmake DESTINATION ${package_dir})

if(TARGET hindscan)
  add_dependencies(hindscan ${layers})  # run.sh builds the program alone: what is installed with it is there then
  install(TARGETS hindscan COMPONENT program)
endif()
install(DIRECTORY include/hindscan DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY models DESTINATION ${CMAKE_INSTALL_DATADIR}/hindscan COMPONENT program)
install(FILES LICENSE NOTICE docs/licences.md docs/schemas/explain-3.json DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
install(FILES NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright COMPONENT program)  # where Debian looks
