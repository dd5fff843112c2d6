# RocksDB, as vendor::rocksdb. In this order:
#   1. -DFRESHET_ROCKSDB=PREFIX: include/ and lib/librocksdb.a there; or `system`, to pass over 2;
#   2. the cache folder, where `./run rocksdb` puts the one that it builds: optimised, without Debian's assertions, static;
#   3. the installed one. With sanitizers always: what they have not instrumented must be a library of its own to be told apart.
# FRESHET_ROCKSDB_BUILD says which it was, for `freshet --version` and the benchmarks: "7.8.3, release".

set(FRESHET_ROCKSDB "" CACHE STRING "Prefix of the RocksDB to link, or `system`; empty: the one of ./run rocksdb, else the installed one")

find_package(RocksDB REQUIRED)
if(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(rocksdb_prefix $ENV{XDG_CACHE_HOME}/freshet/rocksdb-${RocksDB_VERSION})
else()
  set(rocksdb_prefix $ENV{HOME}/.cache/freshet/rocksdb-${RocksDB_VERSION})
endif()
if(FRESHET_ROCKSDB)
  set(rocksdb_prefix ${FRESHET_ROCKSDB})
  if(NOT FRESHET_ROCKSDB STREQUAL system AND NOT EXISTS ${rocksdb_prefix}/lib/librocksdb.a)
    message(FATAL_ERROR "FRESHET_ROCKSDB: ${rocksdb_prefix} has no lib/librocksdb.a")
  endif()
endif()

if(EXISTS ${rocksdb_prefix}/lib/librocksdb.a AND NOT FRESHET_SANITIZE)
  file(STRINGS ${rocksdb_prefix}/include/rocksdb/version.h rocksdb_numbers REGEX "#define ROCKSDB_(MAJOR|MINOR|PATCH) ")
  list(TRANSFORM rocksdb_numbers REPLACE "[^0-9]" "")
  list(JOIN rocksdb_numbers "." rocksdb_version)
  add_library(freshet_cached_rocksdb STATIC IMPORTED)
  set_target_properties(freshet_cached_rocksdb PROPERTIES IMPORTED_LOCATION ${rocksdb_prefix}/lib/librocksdb.a)
  if(NOT rocksdb_version STREQUAL RocksDB_VERSION)
    # Headers of the same version are the same, and with one folder of them a switch compiles nothing anew.
    set_target_properties(freshet_cached_rocksdb PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${rocksdb_prefix}/include)
    set(RocksDB_VERSION ${rocksdb_version})
  endif()
  target_link_libraries(freshet_cached_rocksdb INTERFACE snappy lz4 zstd bz2 z Threads::Threads ${CMAKE_DL_LIBS})
  set(rocksdb_target freshet_cached_rocksdb)
else()
  set(rocksdb_target RocksDB::rocksdb-shared)
endif()

# Sync points are compiled in exactly where assertions are.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES ${rocksdb_target})
unset(FRESHET_ROCKSDB_ASSERTS CACHE)  # of the library at hand, which may be another than the last time
check_cxx_source_compiles("
  namespace rocksdb { struct SyncPoint { static SyncPoint* GetInstance(); }; }
  int main() { return rocksdb::SyncPoint::GetInstance() == nullptr; }" FRESHET_ROCKSDB_ASSERTS)
unset(CMAKE_REQUIRED_LIBRARIES)
if(FRESHET_ROCKSDB_ASSERTS)
  set(FRESHET_ROCKSDB_BUILD "${RocksDB_VERSION}, with assertions")
else()
  set(FRESHET_ROCKSDB_BUILD "${RocksDB_VERSION}, release")
endif()
message(STATUS "RocksDB ${FRESHET_ROCKSDB_BUILD}: ${rocksdb_target}")
freshet_vendor(rocksdb ${rocksdb_target})
