# Embed text files as C arrays: zo_embed(target symbol_prefix file...) generates embedded_<prefix>.c with
#   const zo_embedded zo_embedded_<prefix>[]  = {{name, data, bytes}...}  and  const size_t zo_n_embedded_<prefix>
function(zo_embed target prefix)
  set(out ${PROJECT_BINARY_DIR}/embedded_${prefix}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DPREFIX=${prefix} "-DFILES=${ARGN}" -P ${PROJECT_SOURCE_DIR}/server/embed_script.cmake
    DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/server/embed_script.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
