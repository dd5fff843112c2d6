#include "featurestore/base/cgroup.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/temp_folder.h"

namespace freshet {

TEST_CASE("a quota of processors is the least of the group's own and those above it") {
  const TempFolder root;
  const auto write = [&](const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root.path() / path).parent_path());
    std::ofstream(root.path() / path) << text;
  };
  CHECK(CpuQuota(root.path(), "") == 0);
  CHECK(CpuQuota(root.path(), "/a/b") == 0);
  write("a/b/cpu.max", "max 100000\n");
  CHECK(CpuQuota(root.path(), "/a/b") == 0);
  write("a/cpu.max", "250000 100000\n");
  CHECK(CpuQuota(root.path(), "/a/b") == 2.5);
  write("a/b/cpu.max", "150000 100000\n");
  CHECK(CpuQuota(root.path(), "/a/b") == 1.5);
  CHECK(CpuQuota(root.path(), "/a") == 2.5);
  write("cpu.max", "50000 100000\n");
  CHECK(CpuQuota(root.path(), "/a/b") == 0.5);
  const TempFolder first_version;
  std::filesystem::create_directories(first_version.path() / "cpu");
  std::ofstream(first_version.path() / "cpu/cpu.cfs_quota_us") << "-1";
  std::ofstream(first_version.path() / "cpu/cpu.cfs_period_us") << "100000";
  CHECK(CpuQuota(first_version.path(), "/a") == 0);
  std::ofstream(first_version.path() / "cpu/cpu.cfs_quota_us") << "300000";
  CHECK(CpuQuota(first_version.path(), "/a") == 3);
}

TEST_CASE("there is a processor and memory, whatever the limits") {
  CHECK(AvailableCpus() >= 1);
  CHECK(MemoryLimitBytes() > 0);
}

}  // namespace freshet
