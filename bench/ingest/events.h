// Card payments as config/bench declares them: JSON of about 150 bytes.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "featurestore/base/time.h"

namespace freshet::bench {

// Ranks 0 … n−1 with probability ∝ 1 / (rank + 1)^0.99, from a table of the distribution.
class Zipf {
 public:
  explicit Zipf(size_t n) : cumulative_(n) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i)
      cumulative_[i] = sum += std::pow(static_cast<double>(i + 1), -0.99);
  }
  size_t operator()(std::mt19937_64& random) const {
    const double at = std::uniform_real_distribution<double>(0, cumulative_.back())(random);
    return static_cast<size_t>(std::lower_bound(cumulative_.begin(), cumulative_.end(), at) -
                               cumulative_.begin());
  }

 private:
  std::vector<double> cumulative_;
};

constexpr Timestamp kFirstEvent{1'700'000'000'000'000};

struct Payment {
  Timestamp at;
  size_t card = 0;
};

inline std::string CardKey(size_t card) { return fmt::format("card-{:08}", card); }

inline std::string ToJson(const Payment& payment, std::mt19937_64& random) {
  return fmt::format(
      R"({{"at":"{}","card":"{}","amount":{:.2f},"merchant":"merchant-{:05}","country":"DE","online":{}}})",
      FormatTimestamp(payment.at), CardKey(payment.card),
      static_cast<double>(random() % 50'000) / 100, random() % 20'000,
      random() % 2 == 0 ? "true" : "false");
}

struct Payments {
  std::vector<std::string> events;
  std::vector<size_t> cards;

  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const std::string& event : events) sum += event.size();
    return sum;
  }
};

// About five a second, `card` drawn for each.
template <typename Draw>
Payments MakePayments(size_t count, Draw card, uint64_t seed = 20130101) {
  std::mt19937_64 random(seed);
  Payments made;
  Timestamp at = kFirstEvent;
  for (size_t i = 0; i < count; ++i) {
    at = at + Duration::Millis(static_cast<int64_t>(random() % 400));
    made.cards.push_back(card(random));
    made.events.push_back(ToJson({at, made.cards.back()}, random));
  }
  return made;
}

}  // namespace freshet::bench
