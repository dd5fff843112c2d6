// What this process may have of the machine: the least of the machine's own, its cgroup's and those above that.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace freshet {

uint64_t MemoryLimitBytes();

// Processors: as many as it may run on (affinity), or as the cgroup's quota pays for, rounded up. At least 1. As of the
// first call.
unsigned AvailableCpus();

// A cgroup's `cpu.max` or the two files of version 1, as processors; 0: no limit. Of `root`, from `path` upwards. For tests.
double CpuQuota(const std::filesystem::path& root, const std::string& path);

}  // namespace freshet
