// What this program was built from, for freshet_build_info and `freshet --version`.
#pragma once

namespace freshet {

struct BuildInfo {
  const char* version;
  const char* commit;   // "unknown" outside a git checkout
  const char* rocksdb;  // "7.8.3, release", or "7.8.3, with assertions"
  const char* grpc;
  const char* librdkafka;
};

const BuildInfo& GetBuildInfo();

}  // namespace freshet
