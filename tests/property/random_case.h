// A random declaration and a random life of one row of it: what property tests
// run through the engine and the oracle. The same seed gives the same case, and
// a case is plain data, so that a failing one can be cut down.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "featurestore/base/time.h"
#include "featurestore/model/event.h"
#include "featurestore/model/feature_view.h"
#include "featurestore/model/source.h"

namespace freshet::property {

// Chance, in words that read well where cases are drawn.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int64_t Between(int64_t low, int64_t high) {  // both may come
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  double Real(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(engine_);
  }
  bool Chance(double probability) { return Real(0, 1) < probability; }
  template <typename T>
  const T& OneOf(const std::vector<T>& choices) {
    return choices[static_cast<size_t>(Between(0, static_cast<int64_t>(choices.size()) - 1))];
  }

 private:
  std::mt19937_64 engine_;
};

struct Step {
  enum class Kind { kApply, kReopen, kRead } kind = Kind::kApply;
  // kApply. Texts are borrowed from literals.
  Timestamp time;
  Coordinates at;
  std::vector<Value> fields;
  // kRead; kReopen encodes the row and decodes it again.
  Timestamp now;
  std::optional<Timestamp> as_of;
};

struct Case {
  Source source;
  Entity entity;
  FeatureView view;
  std::vector<Step> steps;
};

Case RandomCase(uint64_t seed);

// Everything that decides the case, for a person.
std::string Describe(const Case& c);

}  // namespace freshet::property
