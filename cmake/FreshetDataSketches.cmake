# Apache DataSketches, headers only, as vendor::datasketches. Debian does not have it. In this order:
#   1. an installed one (find_package(DataSketches));
#   2. -DFRESHET_DATASKETCHES=PATH: the unpacked sources, or the source archive of the Python package (for machines without a network);
#   3. the cache folder, where an earlier configuration put it;
#   4. pip, from whatever index it is configured with: the source package of PyPI carries all headers (its releases 5 no more).
# An archive is checked against a fixed hash. Nothing of it is committed.

set(FRESHET_DATASKETCHES "" CACHE PATH "Sources of Apache DataSketches 4.1.0, or their archive, where pip cannot fetch them")
set(datasketches_version 4.1.0)
set(datasketches_sha256 6a57e4d1e93ccf1035604e3d9181dbe490281673833ce5be477c197b1195c840)

function(freshet_datasketches_unpack archive folder)
  file(SHA256 ${archive} sha256)
  if(NOT sha256 STREQUAL datasketches_sha256)
    message(FATAL_ERROR "${archive} is not the source archive of datasketches ${datasketches_version}: its SHA-256 is ${sha256}")
  endif()
  # Beside it, then renamed: two configurations may run at once, and one may be killed.
  string(RANDOM LENGTH 12 suffix)
  file(ARCHIVE_EXTRACT INPUT ${archive} DESTINATION ${folder}.${suffix})
  file(MAKE_DIRECTORY ${folder})
  file(REMOVE_RECURSE ${folder})
  file(RENAME ${folder}.${suffix}/datasketches-${datasketches_version} ${folder} RESULT renamed)
  file(REMOVE_RECURSE ${folder}.${suffix})
  if(NOT EXISTS ${folder}/hll/include/hll.hpp)
    message(FATAL_ERROR "could not unpack ${archive} into ${folder}: ${renamed}")
  endif()
endfunction()

function(freshet_datasketches_fetch folder)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(download ${CMAKE_BINARY_DIR}/datasketches-download)
  message(STATUS "Fetching the headers of Apache DataSketches ${datasketches_version} by pip (once; kept in ${folder})")
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -m pip download --disable-pip-version-check --no-deps --no-binary datasketches
            --dest ${download} datasketches==${datasketches_version}
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output TIMEOUT 300)
  set(archive ${download}/datasketches-${datasketches_version}.tar.gz)
  if(NOT result EQUAL 0 OR NOT EXISTS ${archive})
    message(FATAL_ERROR
      "Freshet needs the headers of Apache DataSketches ${datasketches_version}, and pip could not fetch them (${result}):\n${output}\n"
      "Without a network: on another machine run `pip download --no-deps --no-binary datasketches datasketches==${datasketches_version}`, "
      "copy the archive here and configure with -DFRESHET_DATASKETCHES=PATH-OF-THE-ARCHIVE. "
      "If pip itself is missing: apt-get install python3-pip.")
  endif()
  freshet_datasketches_unpack(${archive} ${folder})
  file(REMOVE_RECURSE ${download})
endfunction()

add_library(vendor_datasketches INTERFACE)
add_library(vendor::datasketches ALIAS vendor_datasketches)
find_package(DataSketches ${datasketches_version} QUIET CONFIG)
if(DataSketches_FOUND)
  target_link_libraries(vendor_datasketches INTERFACE ${DATASKETCHES_LIB})
  target_include_directories(vendor_datasketches SYSTEM INTERFACE ${DATASKETCHES_INCLUDE_DIR})
else()
  if(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
    set(datasketches_folder $ENV{XDG_CACHE_HOME}/freshet/datasketches-${datasketches_version})
  elseif(NOT "$ENV{HOME}" STREQUAL "")
    set(datasketches_folder $ENV{HOME}/.cache/freshet/datasketches-${datasketches_version})
  else()
    set(datasketches_folder ${CMAKE_BINARY_DIR}/datasketches-${datasketches_version})
  endif()
  if(IS_DIRECTORY "${FRESHET_DATASKETCHES}")
    set(datasketches_folder ${FRESHET_DATASKETCHES})
    if(NOT EXISTS ${datasketches_folder}/hll/include/hll.hpp)
      message(FATAL_ERROR "FRESHET_DATASKETCHES: ${datasketches_folder} has no hll/include/hll.hpp")
    endif()
  elseif(EXISTS "${FRESHET_DATASKETCHES}")
    freshet_datasketches_unpack(${FRESHET_DATASKETCHES} ${datasketches_folder})
  elseif(FRESHET_DATASKETCHES)
    message(FATAL_ERROR "FRESHET_DATASKETCHES: there is no ${FRESHET_DATASKETCHES}")
  elseif(NOT EXISTS ${datasketches_folder}/hll/include/hll.hpp)
    freshet_datasketches_fetch(${datasketches_folder})
  endif()
  target_include_directories(vendor_datasketches SYSTEM INTERFACE
    ${datasketches_folder}/common/include ${datasketches_folder}/hll/include ${datasketches_folder}/fi/include)
endif()
