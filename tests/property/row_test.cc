// "an independent, slow, obviously right implementation answers the same
// questions; every fast path must agree with it on seeded random streams, in
// order and out of order." (docs/semantics.md)
#include "featurestore/state/row.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <numeric>

#include "featurestore/oracle/oracle.h"
#include "tests/property/computed.h"
#include "tests/property/random.h"
#include "tests/property/random_case.h"
#include "tests/property/tally.h"

namespace freshet::property {
namespace {

// What went wrong in a case: the step that read, and the feature; -1: the row's
// own answer, told in `text`.
struct Difference {
  size_t step = 0;
  int feature = -1;
  std::string text;
};

std::string Show(const std::optional<Timestamp>& time) {
  return time ? fmt::format("{} ({})", FormatTimestamp(*time), time->us) : "none";
}

std::string Show(CellStatus status, bool degraded, const Value& value) {
  return fmt::format("{}{} {}", CellStatusName(status), degraded ? " DEGRADED" : "",
                     ToDebugString(value));
}

// As the processor passes events on; ingested_test.cc has the processor's own.
bool Passes(const std::optional<uint32_t>& where, const Event& event) {
  return !where || (!event.fields[*where].is_null() && event.fields[*where].as_bool());
}

// "Compaction removes a row once newest + max(ttl, the default ttl of its windows) + history + grace + max_future_skew < E", where it
// was deleted not before that delete + history + max_future_skew < E.
bool IsExpired(const FeatureView& view, Row& row, Timestamp e) {
  std::string bytes;
  row.Encode(bytes);
  const RowTimes times = PeekTimes(bytes).value();
  if (times.newest && !(view.keep() && *times.newest + *view.keep() < e)) return false;
  return !times.deleted || *times.deleted + view.keep_deleted() < e;
}

std::optional<Difference> Run(const Case& c, Tally& tally) {
  auto layout = RowLayout::Compile(c.view(), c.declared.source);
  if (!layout.ok()) return Difference{0, -1, std::string(MessageOf(layout.status()))};
  oracle::Oracle oracle(c.declared.source, {c.declared.entity}, {c.view()}, Computed(c.declared));
  const oracle::KeyValues key = {Value::Text("a")};
  Row row(**layout);
  bool known = false;    // an event or a delete came: it is stored
  bool removed = false;  // by a compaction
  std::vector<Value> fields;
  Scratch texts;
  std::string bytes;  // decoded texts may be borrowed from them
  std::vector<uint32_t> features(c.view().features.size());
  std::iota(features.begin(), features.end(), 0);

  for (size_t s = 0; s < c.steps.size(); ++s) {
    const Step& step = c.steps[s];
    if (step.kind == Step::Kind::kApply) {
      texts.Clear();
      fields.assign(step.fields.begin(), step.fields.end());
      fields.resize(c.declared.source.fields.size());
      tally.expression_errors += c.declared.derived->Compute(fields, texts);
      const Event event{step.time, step.at, fields};
      const uint64_t duplicates = oracle.duplicates();
      oracle.OfferDecoded({step.time, step.at, step.fields});
      if (!Passes(c.declared.source.where, event) || !Passes(c.view().where, event)) {
        ++tally.filtered;
        continue;
      }
      Applied expected = Applied::kChanged;
      if (!row.empty() &&
          oracle::ChangesNothing(c.view(), event.time, std::max(event.time, row.newest()))) {
        expected = Applied::kLate;
      }
      if (oracle.duplicates() > duplicates) expected = Applied::kDuplicate;
      const bool asked = row.IsDuplicate(event);
      const Applied applied = row.Apply(event);
      known = true;
      tally.late += applied == Applied::kLate ? 1 : 0;
      tally.duplicates += applied == Applied::kDuplicate ? 1 : 0;
      // A row that begins anew takes what the one that was removed called late or a double: too old to be answered.
      if (removed) expected = applied;
      if (applied != expected || asked != (applied == Applied::kDuplicate)) {
        return Difference{s, -1,
                          fmt::format("expected {}, Apply says {} (0 changed, 1 late, 2 duplicate)",
                                      static_cast<int>(expected), static_cast<int>(applied))};
      }
    } else if (step.kind == Step::Kind::kDelete) {
      row.Delete(step.time);
      oracle.Delete(0, key, step.time);
      known = true;
      ++tally.deletes;
    } else if (step.kind == Step::Kind::kReopen) {
      if (!known) continue;  // one that no event touched is never written
      std::string encoded;
      row.Encode(encoded);
      auto decoded = Row::Decode(**layout, encoded);
      if (!decoded.ok()) return Difference{s, -1, std::string(MessageOf(decoded.status()))};
      row = *std::move(decoded);
      std::string again;
      row.Encode(again);
      if (again != encoded) return Difference{s, -1, "encoding a decoded row gives other bytes"};
      bytes = std::move(encoded);
    } else if (step.kind == Step::Kind::kCompact) {
      if (!known || !IsExpired(c.view(), row, step.now)) continue;
      row = Row(**layout);
      known = false;
      removed = true;
      ++tally.removed;
    } else {
      std::vector<Cell> cells(features.size());
      std::optional<Timestamp> event_time;
      const ReadTime read{step.now, step.as_of};
      if (!known) {
        FinishMissing(**layout, read, features, cells);
      } else {
        event_time = row.Finish(read, features, cells);
      }
      const oracle::ExpectedRow expected = oracle.Answer(0, key, {step.now, step.as_of});
      for (size_t f = 0; f < features.size(); ++f) {
        tally.Count(c.view().features[f], expected.cells[f]);
        const oracle::Expected& wanted = expected.cells[f];
        if (oracle::Agrees(wanted, cells[f])) continue;
        return Difference{s, static_cast<int>(f),
                          fmt::format("{}: expected {}, got {}{}", c.view().features[f].name,
                                      oracle::ToDebugString(wanted),
                                      Show(cells[f].status, cells[f].degraded, cells[f].value),
                                      fmt::format(" ({} values)", wanted.values))};
      }
      if (event_time != expected.event_time) {
        return Difference{s, -1,
                          fmt::format("event time of the row: expected {}, got {}",
                                      Show(expected.event_time), Show(event_time))};
      }
    }
  }
  return std::nullopt;
}

// Cuts a failing case down for as long as it still fails: other reads, then
// steps, then features.
void CutDown(Case& c, Difference& difference) {
  const auto still_fails = [&difference](const Case& smaller) {
    Tally ignored;
    const auto found = Run(smaller, ignored);
    if (found) difference = *found;
    return found.has_value();
  };
  c.steps.resize(difference.step + 1);
  for (bool progress = true; progress;) {
    progress = false;
    for (size_t i = c.steps.size() - 1; i-- > 0;) {
      Case smaller = c;
      smaller.steps.erase(smaller.steps.begin() + static_cast<std::ptrdiff_t>(i));
      if (!still_fails(smaller)) continue;
      c = std::move(smaller);
      c.steps.resize(difference.step + 1);
      i = std::min(i, c.steps.size() - 1);
      progress = true;
    }
    for (size_t i = c.view().features.size(); i-- > 0 && c.view().features.size() > 1;) {
      Case smaller = c;
      smaller.declared.view.features.erase(smaller.declared.view.features.begin() +
                                           static_cast<std::ptrdiff_t>(i));
      if (!still_fails(smaller)) continue;
      c = std::move(smaller);
      progress = true;
    }
  }
}

constexpr double kCoverageFrom = 1e6;  // comparisons

double FromEnvironment(const char* name, double otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atof(text);
}

}  // namespace

// FRESHET_PROPERTY_SCALE: so many times the comparisons, below 1 without a check of what they cover; FRESHET_PROPERTY_STREAMS
// and FRESHET_PROPERTY_A_CELL: on until there were so many streams, and comparisons of each legal cell (`./run proof` asks for 100,000 and 50,000).
TEST_CASE(
    "every cell of every random row equals the oracle's, in order and "
    "out of order, past and present") {
  const auto wanted =
      static_cast<uint64_t>(kCoverageFrom * FromEnvironment("FRESHET_PROPERTY_SCALE", 1));
  const auto streams = static_cast<uint64_t>(FromEnvironment("FRESHET_PROPERTY_STREAMS", 0));
  const auto a_cell = static_cast<uint64_t>(FromEnvironment("FRESHET_PROPERTY_A_CELL", 0));
  const char* fixed = std::getenv("FRESHET_PROPERTY_SEED");
  uint64_t seed = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
  fmt::print("FRESHET_PROPERTY_SEED={}\n", seed);
  const auto start = std::chrono::steady_clock::now();
  Tally tally;
  const auto enough = [&] {
    if (tally.cells < wanted || tally.streams < streams) return false;
    return a_cell == 0 || (tally.streams % 1000 == 0 && tally.least() >= a_cell);
  };
  uint64_t cases = 0;
  for (; !enough(); ++cases) {
    Case c = RandomCase(seed + cases);
    tally.Count(c);
    auto difference = Run(c, tally);
    if (!difference) continue;
    CutDown(c, *difference);
    FAIL("with FRESHET_PROPERTY_SEED=" << seed + cases << "\n" << Describe(c) << difference->text);
  }
  tally.Print(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  fmt::print("seeds {} to {}, one a stream: 0 differences\n", seed, seed + cases - 1);
  // What the figures are worth; of fewer streams they scatter too far to be held to anything.
  if (static_cast<double>(wanted) < kCoverageFrom) {
    fmt::print(
        "FRESHET_PROPERTY_SCALE is below 1: what these {} comparisons cover is not checked\n",
        tally.cells);
    return;
  }
  CHECK(tally.least() >= std::max<uint64_t>(1, a_cell));
  // Under a fifth over many streams (./run proof); some thousand streams scatter around it.
  CHECK(tally.empty_windows * (tally.cells < 5'000'000 ? 4 : 5) < tally.windows);
  CHECK(tally.events_at_an_edge * 10 > tally.events);
  CHECK(tally.streams_out_of_order * 2 > tally.streams);
  CHECK(tally.removed > 0);
  CHECK(tally.expression_errors > 0);
  INFO("the last declaration that was refused: " << tally.last_refusal);
  CHECK(tally.refused * 4 * kCasesOfADeclaration < tally.streams);
}

// Panes are folded into coarser ones when a row is encoded; what is told of the past must not move then.
TEST_CASE("the time of a row in the past does not hang on whether it was stored since") {
  constexpr uint64_t kCases = 4000;
  constexpr int kTimes = 48;
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  Random random(seed);
  size_t asked = 0, known = 0;
  for (uint64_t n = 0; n < kCases; ++n) {
    const Case c = RandomCase(seed + n * kCasesOfADeclaration);
    if (c.view().history == Duration{}) continue;
    auto layout = RowLayout::Compile(c.view(), c.declared.source);
    REQUIRE(layout.ok());
    Row row(**layout);
    std::vector<Timestamp> times;
    std::vector<Value> fields;
    Scratch texts;
    for (const Step& step : c.steps) {
      if (step.kind != Step::Kind::kApply) continue;
      texts.Clear();
      fields.assign(step.fields.begin(), step.fields.end());
      fields.resize(c.declared.source.fields.size());
      c.declared.derived->Compute(fields, texts);
      const Event event{step.time, step.at, fields};
      if (!Passes(c.declared.source.where, event) || !Passes(c.view().where, event)) continue;
      row.Apply(event);
      times.push_back(step.time);
      if (row.empty() || !random.Chance(0.2)) continue;
      std::array<ReadTime, kTimes> reads;
      std::array<std::optional<Timestamp>, kTimes> before;
      for (int i = 0; i < kTimes; ++i) {
        // After one of the events, by as much as lies between two panes of whichever ring.
        const Timestamp after = random.OneOf(times) + Duration{int64_t{1} << random.Between(0, 46)};
        reads[i] = {row.newest(), std::clamp(after, row.newest() - c.view().history, row.newest())};
        before[i] = row.EventTimeAsOf(reads[i]);
      }
      std::string bytes;
      row.Encode(bytes);
      for (int i = 0; i < kTimes; ++i) {
        const auto after = row.EventTimeAsOf(reads[i]);
        ++asked;
        known += after ? 1 : 0;
        if (before[i] == after) continue;
        FAIL("as of " << Show(reads[i].as_of) << " " << Show(before[i]) << ", once stored "
                      << Show(after) << "\n"
                      << Describe(c));
      }
    }
  }
  CHECK(asked > 10 * kCases);
  CHECK(known * 10 > asked);
}

}  // namespace freshet::property
