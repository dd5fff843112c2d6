# Flags, ccache, linker and sanitizers: what every target is compiled with.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Paths count from the tree's root, so that one clone's objects serve another (debug information then has relative paths).
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=true ${CCACHE_PROGRAM})
endif()

# Not where linking optimises: mold 1.10 ends with a failed assertion on some of those.
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  add_link_options(-fuse-ld=mold)
endif()

add_library(freshet_flags INTERFACE)
# -Wrestrict: GCC 12 reports it for string concatenation at -O3 (its bug 105651).
target_compile_options(freshet_flags INTERFACE -Wall -Wextra -Wno-missing-field-initializers -Wno-restrict)
if(FRESHET_WERROR)
  target_compile_options(freshet_flags INTERFACE -Werror)
endif()
target_include_directories(freshet_flags INTERFACE ${CMAKE_SOURCE_DIR})

if(FRESHET_SANITIZE)
  add_compile_options(-fsanitize=${FRESHET_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FRESHET_SANITIZE})
endif()
if(FRESHET_FUZZ)
  # Of every line of ours: what a fuzzer goes by is which of them an input reached.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
