#include "featurestore/base/cgroup.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>

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

// The group at `path` and those above it, the root ("") last.
template <typename Visit>
void ForEachGroup(std::string path, const Visit& visit) {
  visit(path);
  while (!path.empty()) {
    const size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
    visit(path);
  }
}

}  // namespace

uint64_t MemoryLimitBytes() {
  uint64_t limit = ReadLimit("/sys/fs/cgroup/memory/memory.limit_in_bytes");  // v1
  // v2: the least of the process's own group and of those above it.
  ForEachGroup(CgroupPath(), [&](const std::string& path) {
    limit = std::min(limit, ReadLimit("/sys/fs/cgroup" + path + "/memory.max"));
  });
  const auto machine =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return std::min(limit, machine);
}

double CpuQuota(const std::filesystem::path& root, const std::string& path) {
  double least = 0;
  const auto take = [&](double quota, double period) {
    if (quota > 0 && period > 0 && (least == 0 || quota / period < least)) least = quota / period;
  };
  ForEachGroup(path, [&](const std::string& group) {
    double quota = 0, period = 0;
    std::ifstream both(root.string() + group + "/cpu.max");  // v2: "max 100000" or "150000 100000"
    if (both >> quota >> period) take(quota, period);
  });
  double quota = 0, period = 0;
  std::ifstream(root / "cpu/cpu.cfs_quota_us") >> quota;  // v1: -1 is no limit
  std::ifstream(root / "cpu/cpu.cfs_period_us") >> period;
  take(quota, period);
  return least;
}

unsigned AvailableCpus() {
  static const unsigned kCpus = [] {
    cpu_set_t may_run_on;
    CPU_ZERO(&may_run_on);
    const bool known = sched_getaffinity(0, sizeof may_run_on, &may_run_on) == 0;
    unsigned cpus = known ? static_cast<unsigned>(CPU_COUNT(&may_run_on)) : 1;
    const double quota = CpuQuota("/sys/fs/cgroup", CgroupPath());
    if (quota > 0) cpus = std::min(cpus, static_cast<unsigned>(std::ceil(quota)));
    return std::max(cpus, 1u);
  }();
  return kCpus;
}

}  // namespace freshet
