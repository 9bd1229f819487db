# cmake -DNPM=… -P npm_ci.cmake, in web/: installs what package-lock.json says.
execute_process(COMMAND ${NPM} ci --loglevel=error RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "npm could not fetch what the page is built with. Without a network configure with -DGREENROOM_WEB=OFF "
    "(GREENROOM_WEB=OFF ./run): a plain page is served then.")
endif()
file(TOUCH node_modules/.package-lock.json)
