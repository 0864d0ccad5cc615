# Executables and install rules.
file(GLOB cli_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/*.cpp)
if(cli_sources)
  add_executable(hindscan_cli ${cli_sources})
  set_target_properties(hindscan_cli PROPERTIES OUTPUT_NAME hindscan RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  target_compile_options(hindscan_cli PRIVATE ${HS_WARNINGS})
  target_link_libraries(hindscan_cli PRIVATE hindscan_train hindscan_eval hindscan_viewer CLI11::CLI11)
endif()
