// What this program was built from, for freshet_build_info and `freshet --version`.
#pragma once

namespace freshet {

struct BuildInfo {
  const char* version;
  const char* commit;  // "unknown" outside a git checkout
  const char* rocksdb;
  const char* grpc;
  const char* librdkafka;
};

const BuildInfo& GetBuildInfo();

}  // namespace freshet
