// What is wrong with a server, told from its metrics. One rule a finding; each says what to change, in which setting, to what.
// Rules hold their tongue where there is too little to judge by: a server that has just started is not ill.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/doctor/exposition.h"

namespace freshet {

// What the data folder tells that no metric does. The command adds these to what a server exports, or to what a folder's
// store would export; nobody scrapes them.
inline constexpr char kSampledRows[] = "doctor_sampled_rows";  // by view
inline constexpr char kExpiredRows[] =
    "doctor_expired_rows";  // by view: of these, past what their view keeps for two days and more

// A server's metrics, read several times; a folder's, once.
class Observed {
 public:
  struct Reading {
    double at_seconds = 0;
    Exposition metrics;
  };
  // At least one, in the order of time.
  explicit Observed(std::vector<Reading> readings) : readings_(std::move(readings)) {}

  double seconds() const { return readings_.back().at_seconds - readings_.front().at_seconds; }
  const std::vector<Reading>& readings() const { return readings_; }
  const Exposition& last() const { return readings_.back().metrics; }
  // Now; 0 where there is no sample.
  double Now(std::string_view name, const Exposition::Labels& labels = {}) const;
  // What a counter rose by between the first reading and the last; 0 where it fell (the server began anew).
  double Rise(std::string_view name, const Exposition::Labels& labels = {}) const;
  // It was above `limit` in every reading, of which there are several over some seconds.
  bool Stayed(std::string_view name, const Exposition::Labels& labels, double limit) const;

 private:
  std::vector<Reading> readings_;
};

enum class Severity { kNote, kWarning, kError };
std::string_view SeverityName(Severity severity);

struct Finding {
  Severity severity = Severity::kNote;
  std::string what;    // with the number that was measured
  std::string change;  // the setting, from what to what; or what else to do
  std::string why;
};

struct Verdict {
  std::vector<Finding> findings;
  std::string not_known;  // "": it could be judged
};

struct Rule {
  std::string_view name;      // stable: for programs
  bool needs_server = false;  // a folder alone tells nothing of it
  Verdict (*check)(const Observed& observed);
};

// Of storage, and of the rest of the server.
std::span<const Rule> StorageRules();
std::span<const Rule> ServerRules();

}  // namespace freshet
