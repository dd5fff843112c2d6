// What every target shares. A target is one function over the input's bytes, under libFuzzer (./run fuzz) and, with the inputs that
// are kept, in every build (replay_corpus.cc): a finding is a crash, a sanitizer's report, or a call of Finding.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace freshet::fuzz {

// What must never be, in a sentence.
[[noreturn]] inline void Finding(const std::string& what) {
  fmt::print(stderr, "finding: {}\n", what);
  std::fflush(stderr);
  std::abort();
}

// The first byte chooses what the rest is read by.
inline uint8_t TakeByte(std::string_view& input) {
  if (input.empty()) return 0;
  const auto byte = static_cast<uint8_t>(input.front());
  input.remove_prefix(1);
  return byte;
}

void Run(std::string_view input);  // the target's own

}  // namespace freshet::fuzz
