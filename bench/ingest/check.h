// A benchmark that cannot go on says why and ends.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "featurestore/base/status.h"

namespace freshet::bench {

[[noreturn]] inline void Die(const Status& status) {
  fmt::print(stderr, "bench ingest: {}\n", MessageOf(status));
  std::exit(1);
}
inline void Check(const Status& status) {
  if (!status.ok()) Die(status);
}
template <typename T>
T Take(StatusOr<T> value) {
  if (!value.ok()) Die(value.status());
  return *std::move(value);
}

}  // namespace freshet::bench
