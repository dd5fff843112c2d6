#!/usr/bin/env bash
# Builds RocksDB from Debian's source package of the version at hand, optimised and without assertions, as a static library.
# Debian's own is built with them: one in the inner loop of every insert, and an internal one ends the process (a full disk).
#
#   build_rocksdb.sh PREFIX [JOBS]     PREFIX gets include/ and lib/librocksdb.a, or is left as it was
#
# Some 20 min of CPU. apt's own lists stay as they are: source entries, which the system may lack, are written into a folder of its own.
set -euo pipefail

prefix=$1
jobs=${2:-$(nproc)}
version=$(dpkg-query -W -f '${Version}' librocksdb-dev)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() { echo "build_rocksdb.sh: $*" >&2; exit 1; }

# The system's entries, asked for sources.
mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial" "$work/source" "$(dirname "$prefix")"
touch "$work/sources.list"
[[ ! -f /etc/apt/sources.list ]] || sed -n 's/^deb\([[:space:]]\)/deb-src\1/p' /etc/apt/sources.list >"$work/sources.list"
for entry in /etc/apt/sources.list.d/*; do
  case $entry in
    *.list) sed -n 's/^deb\([[:space:]]\)/deb-src\1/p' "$entry" >"$work/parts/${entry##*/}" ;;
    *.sources) sed 's/^Types:.*/Types: deb-src/' "$entry" >"$work/parts/${entry##*/}" ;;
  esac
done
apt=(apt-get -q -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=$work/parts"
  -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
# An entry without sources (a vendor's) fails here and does not matter.
"${apt[@]}" update || true
(cd "$work/source" && "${apt[@]}" source "rocksdb=$version") ||
  die "apt-get has no source package rocksdb=$version; its words are above"
source=$(find "$work/source" -mindepth 1 -maxdepth 1 -type d)

# What Debian builds with, but for: no assertions, static, and on x86-64 the instructions of every server since 2010 (crc32 of
# the write-ahead log).
options=(-DPORTABLE=ON)
[[ $(uname -m) != x86_64 ]] || options+=(-DFORCE_SSE42=ON)
cmake -S "$source" -B "$work/build" -G Ninja "${options[@]}" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE='-O2 -DNDEBUG' -DCMAKE_C_FLAGS_RELEASE='-O2 -DNDEBUG' \
  -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_INSTALL_PREFIX="$work/prefix" -DCMAKE_INSTALL_LIBDIR=lib \
  -DUSE_RTTI=ON -DROCKSDB_BUILD_SHARED=OFF -DFAIL_ON_WARNINGS=OFF \
  -DWITH_LZ4=ON -DWITH_ZSTD=ON -DWITH_SNAPPY=ON -DWITH_ZLIB=ON -DWITH_BZ2=ON \
  -DWITH_GFLAGS=OFF -DWITH_LIBURING=OFF -DWITH_JEMALLOC=OFF \
  -DWITH_TESTS=OFF -DWITH_TOOLS=OFF -DWITH_CORE_TOOLS=OFF -DWITH_BENCHMARK_TOOLS=OFF
nice ninja -C "$work/build" -j "$jobs" rocksdb
cmake --install "$work/build" >"$work/install.log" || { cat "$work/install.log" >&2; die "installing failed"; }
strip --strip-debug "$work/prefix/lib/librocksdb.a"
# Beside it, then renamed: a configuration may look at any moment, and this may be killed.
rm -rf "$prefix.$$"
cp -r "$work/prefix" "$prefix.$$"
rm -rf "$prefix"
mv -T "$prefix.$$" "$prefix"
