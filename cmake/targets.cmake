# The program, the test programs that span layers, the script tests, benchmarks and fuzzers.
add_library(hindscan_all INTERFACE)
set_target_properties(hindscan_all PROPERTIES EXPORT_NAME hindscan)
target_link_libraries(hindscan_all INTERFACE hindscan_api hindscan_train hindscan_eval hindscan_viewer)

if(EXISTS ${PROJECT_SOURCE_DIR}/src/cli/main.cpp)
  add_executable(hindscan src/cli/main.cpp)
  target_link_libraries(hindscan PRIVATE hindscan_cli)
endif()

# tests/foo_test.cpp -> executable foo_test; tests/foo_test.py and tests/cli/foo_test.sh -> one ctest entry each.
if(HINDSCAN_TESTS)
  file(GLOB span_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*_test.cpp)
  foreach(source ${span_tests})
    cmake_path(GET source STEM name)
    hs_test(${name} hindscan_all ${source})
  endforeach()

  file(GLOB script_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*_test.py)
  foreach(source ${script_tests})
    cmake_path(GET source STEM name)
    add_test(NAME ${name} COMMAND Python3::Interpreter -B ${source})
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77)
  endforeach()

  if(TARGET hindscan)
    add_test(NAME install_consumer COMMAND bash ${PROJECT_SOURCE_DIR}/tests/install_consumer/run.sh ${PROJECT_BINARY_DIR})
    set_tests_properties(install_consumer PROPERTIES TIMEOUT ${HS_TIMEOUT})
    file(GLOB cli_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/cli/*_test.sh)
    foreach(source ${cli_tests})
      cmake_path(GET source STEM name)
      add_test(NAME cli.${name} COMMAND bash ${source})
      set_tests_properties(cli.${name} PROPERTIES TIMEOUT ${HS_TIMEOUT} SKIP_RETURN_CODE 77
        ENVIRONMENT "HINDSCAN=$<TARGET_FILE:hindscan>;HINDSCAN_ROOT=${PROJECT_SOURCE_DIR}")
    endforeach()
  endif()
endif()

# bench/bench_foo.cpp -> bench_foo
if(HINDSCAN_BENCH)
  file(GLOB bench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/bench_*.cpp)
  foreach(source ${bench_sources})
    cmake_path(GET source STEM name)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE hindscan_all benchmark::benchmark)
    hs_paths(${name})
  endforeach()
endif()

# fuzz/foo_fuzz.cpp -> foo_fuzz
if(HINDSCAN_FUZZ)
  # No target runs a kernel; instrumenting them takes most of the build time.
  target_compile_options(hindscan_kernels PRIVATE -fno-sanitize=all -fno-profile-instr-generate -fno-coverage-mapping -g0)
  file(GLOB fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fuzz/*_fuzz.cpp)
  foreach(source ${fuzz_sources})
    cmake_path(GET source STEM name)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE hindscan_train)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endforeach()
endif()
