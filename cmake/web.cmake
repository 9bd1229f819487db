# The page: built by Vite from web/ and turned into a table of assets that is linked into the program.
#
# greenroom_web_assets(VARIABLE PLAIN) sets VARIABLE to the source file that defines server::assets(): a generated one,
# or PLAIN when the page is not built.
option(GREENROOM_WEB "Build the page; needs Node.js 18 or later and npm. OFF, or without them: a plain page instead" ON)

function(greenroom_find_node)
  find_program(GREENROOM_NODE NAMES node nodejs)
  find_program(GREENROOM_NPM NAMES npm)
  set(GREENROOM_WEB_BUILT OFF PARENT_SCOPE)
  if(NOT GREENROOM_WEB)
    message(STATUS "greenroom: the page is not built (GREENROOM_WEB=OFF); a plain one is served")
    return()
  endif()
  if(GREENROOM_NODE AND GREENROOM_NPM)
    execute_process(COMMAND ${GREENROOM_NODE} --version OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE)
    string(REGEX REPLACE "^v" "" version "${version}")
    if(version VERSION_GREATER_EQUAL 18)
      set(GREENROOM_WEB_BUILT ON PARENT_SCOPE)
      return()
    endif()
  endif()
  message(WARNING "greenroom: no Node.js 18 or later with npm was found, so the page is not built and a plain one is "
    "served. Install nodejs and npm and configure again, or set GREENROOM_WEB=OFF.")
endfunction()
greenroom_find_node()

get_filename_component(GREENROOM_WEB_DIR ${CMAKE_CURRENT_LIST_DIR}/../web ABSOLUTE)
set(GREENROOM_WEB_MODULES ${GREENROOM_WEB_DIR}/node_modules/.package-lock.json)

function(greenroom_web_assets variable plain)
  if(NOT GREENROOM_WEB_BUILT)
    set(${variable} ${plain} PARENT_SCOPE)
    return()
  endif()
  # Here, because a rule holds in the folder that states it. Its output is also the mark that what is installed is what
  # the lock file says. Shared by all build folders.
  add_custom_command(
    OUTPUT ${GREENROOM_WEB_MODULES}
    COMMAND ${CMAKE_COMMAND} -DNPM=${GREENROOM_NPM} -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/npm_ci.cmake
    DEPENDS ${GREENROOM_WEB_DIR}/package-lock.json ${GREENROOM_WEB_DIR}/.npmrc
    WORKING_DIRECTORY ${GREENROOM_WEB_DIR}
    COMMENT "Fetching what the page is built with"
    VERBATIM)
  set(out ${CMAKE_BINARY_DIR}/web)
  file(MAKE_DIRECTORY ${out})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${GREENROOM_WEB_DIR}/src/* ${GREENROOM_WEB_DIR}/public/*)
  add_custom_command(
    OUTPUT ${out}/assets.cpp
    COMMAND ${GREENROOM_NODE} node_modules/vite/bin/vite.js build --logLevel warn --outDir ${out}/dist --emptyOutDir
    COMMAND ${GREENROOM_NODE} embed.mjs ${out}/dist ${out}/assets.cpp
    DEPENDS ${sources} ${GREENROOM_WEB_DIR}/index.html ${GREENROOM_WEB_DIR}/vite.config.ts ${GREENROOM_WEB_DIR}/embed.mjs
            ${GREENROOM_WEB_DIR}/package.json ${GREENROOM_WEB_MODULES}
    WORKING_DIRECTORY ${GREENROOM_WEB_DIR}
    COMMENT "Building the page"
    VERBATIM)
  set(${variable} ${out}/assets.cpp PARENT_SCOPE)
endfunction()
