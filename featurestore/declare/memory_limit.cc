#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "featurestore/declare/settings.h"

namespace freshet {
namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// "max" and what is not there are no limit.
uint64_t ReadLimit(const std::string& path) {
  std::ifstream in(path);
  uint64_t bytes = 0;
  return in >> bytes && bytes > 0 ? bytes : kNoLimit;
}

// The path of this process in the cgroup hierarchy: v2's line is `0::/path`.
std::string CgroupPath() {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("0::", 0) == 0) return line.substr(3);
  }
  return {};
}

}  // namespace

uint64_t MemoryLimitBytes() {
  uint64_t limit = ReadLimit("/sys/fs/cgroup/memory/memory.limit_in_bytes");  // v1
  // v2: the least of the process's own group and of those above it.
  std::string path = CgroupPath();
  while (true) {
    limit = std::min(limit, ReadLimit("/sys/fs/cgroup" + path + "/memory.max"));
    const size_t slash = path.rfind('/');
    if (path.empty() || slash == std::string::npos) break;
    path.resize(slash);
  }
  const auto machine =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return std::min(limit, machine);
}

}  // namespace freshet
