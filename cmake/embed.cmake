# hs_embed(target output NAME=file ...): a source that defines `const Asset k<NAME>` with a file's text and SHA-256.
# Run as a script (cmake -P), it writes that source.
if(CMAKE_SCRIPT_MODE_FILE)
  set(out "#include \"viewer/assets.h\"\n\nnamespace hindscan::viewer {\n")
  foreach(entry ${ENTRIES})
    string(REGEX MATCH "^([^=]+)=(.*)$" matched "${entry}")
    set(name ${CMAKE_MATCH_1})
    set(file ${CMAKE_MATCH_2})
    file(SHA256 ${file} digest)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
    string(APPEND out "static const char text_${name}[] = {${bytes}};\n"
      "const Asset k${name} = {{text_${name}, sizeof text_${name}}, \"${digest}\"};\n")
  endforeach()
  string(APPEND out "}  // namespace hindscan::viewer\n")
  file(WRITE ${OUTPUT} "${out}")
  return()
endif()

function(hs_embed target output)
  set(files "")
  foreach(entry ${ARGN})
    string(REGEX REPLACE "^[^=]+=" "" file ${entry})
    list(APPEND files ${file})
  endforeach()
  string(REPLACE ";" "$<SEMICOLON>" entries "${ARGN}")
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} "-DENTRIES=${entries}" -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
