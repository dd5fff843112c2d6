#include "featurestore/verify/row_comparison.h"

#include <algorithm>
#include <numeric>

#include "featurestore/base/hash.h"
#include "featurestore/model/entity_key.h"
#include "featurestore/verify/read_times.h"

namespace freshet {
namespace {

constexpr size_t kShownOfARow = 3;
constexpr const char* kGone = "they are older than what the log is known to hold whole";
constexpr const char* kReachesBelow = "they reach below what the log holds";
constexpr const char* kOrder = "they depend on the order in which partitions were read";
constexpr const char* kRemoved = "compaction may have removed them before their newest event came";

std::string Show(const std::optional<Timestamp>& time) {
  return time ? FormatTimestamp(*time) : "none";
}

std::string Show(const ReadTime& read) {
  if (!read.as_of) return "now " + FormatTimestamp(read.now);
  return fmt::format("now {}, as_of {}", FormatTimestamp(read.now), FormatTimestamp(*read.as_of));
}

std::string Show(const Cell& cell) {
  std::string text(CellStatusName(cell.status));
  if (!cell.value.is_null()) text += " " + ToDebugString(cell.value);
  if (cell.degraded) text += " (degraded)";
  return text;
}

std::string Show(const oracle::Expected& expected) {
  std::string text = oracle::ToDebugString(expected);
  if (expected.degraded) text += " (degraded)";
  return text;
}

std::string Why(const std::optional<oracle::RowFacts>& facts) {
  if (!facts || (facts->events == 0 && !facts->deleted)) {
    return "the log holds no event of it up to the stored progress";
  }
  if (facts->events == 0) {
    return fmt::format("it was deleted at {}, and nothing came since", Show(facts->deleted));
  }
  return fmt::format("of {} event{} in the log up to the stored progress, from {} to {}{}",
                     facts->events, facts->events == 1 ? "" : "s", FormatTimestamp(facts->oldest),
                     FormatTimestamp(facts->newest),
                     facts->deleted ? ", since it was deleted" : "");
}

}  // namespace

RowComparison::RowComparison(const Catalog& catalog, uint32_t view, const oracle::Oracle& oracle,
                             size_t view_of_oracle, const LogHolds& holds, size_t differences_kept,
                             ViewVerified& report)
    : view_(catalog.views[view]),
      source_(catalog.sources[view_.source]),
      layout_(*catalog.layouts[view]),
      oracle_(oracle),
      in_oracle_(view_of_oracle),
      holds_(holds),
      kept_(differences_kept),
      report_(report),
      features_(view_.features.size()),
      cells_(view_.features.size()) {
  for (const EntityKeyField& key : catalog.entities[view_.entity].keys) {
    key_types_.push_back(key.type);
  }
  std::iota(features_.begin(), features_.end(), 0);
}

std::string RowComparison::Show(const oracle::KeyValues& key) const {
  std::string text;
  for (const Value& value : key) text += (text.empty() ? "" : "/") + ToDebugString(value);
  return text;
}

void RowComparison::Report(RowDifference difference, bool keep) {
  ++report_.differences;
  if (keep && report_.first.size() < kept_) report_.first.push_back(std::move(difference));
}

void RowComparison::Stored(std::string_view key_bytes, std::string_view bytes) {
  const uint64_t hash = Hash64(key_bytes);
  seen_.insert(hash);
  const auto key = ParseEntityKey(key_types_, key_bytes);
  if (!key.ok()) {
    ++report_.rows_different;
    return Report({.entity = fmt::format("0x{:016x} (hash of its key)", hash),
                   .feature = "row",
                   .read_at = {},
                   .expected = "a key of the entity",
                   .got = std::string(MessageOf(key.status())),
                   .why = "the row's key is damaged"});
  }
  auto row = Row::Decode(layout_, bytes);
  if (!row.ok()) {
    ++report_.rows_different;
    return Report({.entity = Show(key->values),
                   .feature = "row",
                   .read_at = {},
                   .expected = "a row of this view",
                   .got = std::string(MessageOf(row.status())),
                   .why = "the row is damaged"});
  }
  CompareRow(key->values, &*row, hash);
}

void RowComparison::Missing() {
  std::string key_bytes;
  for (const oracle::KeyValues& key : oracle_.entities(in_oracle_)) {
    key_bytes.clear();
    if (!AppendEntityKey(key, key_bytes)) continue;
    const uint64_t hash = Hash64(key_bytes);
    if (!seen_.contains(hash)) CompareRow(key, nullptr, hash);
  }
  seen_.clear();
}

bool RowComparison::MayHaveBeenRemoved(const oracle::RowFacts& facts) const {
  const auto keep = view_.keep();
  return keep && holds_.expiry_bound && facts.oldest + *keep < *holds_.expiry_bound &&
         facts.newest < *holds_.expiry_bound;
}

bool RowComparison::DependsOnOrder(const Feature* feature, const oracle::RowFacts& facts) const {
  if (!facts.several_partitions) return false;
  if (source_.dedup) return true;
  if (!facts.unordered || feature == nullptr || view_.latest_values) return false;
  return feature->window.kind == WindowKind::kSession ||
         (feature->window.kind == WindowKind::kLifetime && view_.ttl.has_value());
}

void RowComparison::CompareRow(const oracle::KeyValues& key, const Row* row, uint64_t hash) {
  const std::optional<oracle::RowFacts> facts = oracle_.Facts(in_oracle_, key);
  const bool has_events = facts && facts->events > 0;
  const auto differs = [&](std::string what, std::string expected, std::string got) {
    ++report_.rows_different;
    Report({.entity = Show(key),
            .feature = std::move(what),
            .read_at = {},
            .expected = std::move(expected),
            .got = std::move(got),
            .why = Why(facts)});
  };
  if (!has_events) {
    if (row == nullptr) return;
    if (row->empty()) {
      ++report_.rows_compared;  // deleted, and so it says
    } else if (holds_.since && row->newest() < *holds_.since) {
      ++report_.rows_excluded[kGone];
    } else {
      differs("row", "no row",
              fmt::format("a row whose newest event is of {}", FormatTimestamp(row->newest())));
    }
    return;
  }
  if (holds_.since && facts->newest < *holds_.since) {
    ++report_.rows_excluded[kGone];
    return;
  }
  if (row == nullptr) {
    const auto keep = view_.keep();
    if (keep && holds_.expiry_bound && facts->newest + *keep < *holds_.expiry_bound) {
      ++report_.rows_compared;  // compaction removed it, as it may
    } else {
      differs("row",
              fmt::format("a row whose newest event is of {}", FormatTimestamp(facts->newest)),
              "no row");
    }
    return;
  }

  ++report_.rows_compared;
  std::vector<Mismatch> mismatches;
  const std::vector<ReadTime> reads = TimesToRead(view_, facts->newest, holds_.latest, hash);
  for (const ReadTime& read : reads) CompareAt(key, *facts, *row, read, mismatches);
  if (mismatches.empty()) return;
  if (MayHaveBeenRemoved(*facts)) {
    // Then it has to be right where anybody can still ask.
    std::erase_if(mismatches, [](const Mismatch& mismatch) { return !mismatch.still_asked; });
    if (mismatches.empty()) {
      ++report_.rows_excluded[kRemoved];
      return;
    }
  }
  ReportAll(std::move(mismatches), Why(facts));
}

void RowComparison::ReportAll(std::vector<Mismatch> mismatches, const std::string& why) {
  size_t reported = 0;
  for (Mismatch& mismatch : mismatches) {
    if (mismatch.order_dependent) {
      ++report_.cells_excluded[kOrder];
      continue;
    }
    mismatch.difference.why = why;
    // Of one row not all, so that others are seen too.
    Report(std::move(mismatch.difference), reported++ < kShownOfARow);
  }
  if (reported > 0) ++report_.rows_different;
}

void RowComparison::CompareAt(const oracle::KeyValues& key, const oracle::RowFacts& facts,
                              const Row& row, const ReadTime& read,
                              std::vector<Mismatch>& mismatches) {
  const oracle::ExpectedRow expected =
      oracle_.Answer(in_oracle_, key, {.now = read.now, .as_of = read.as_of});
  // Which event was the newest then, is not known of a time before what the log holds.
  if (holds_.since && read.as_of &&
      (!expected.event_time || *expected.event_time < *holds_.since)) {
    report_.cells_excluded[kReachesBelow] += view_.features.size();
    return;
  }
  const std::optional<Timestamp> event_time = row.Finish(read, features_, cells_);
  ++report_.reads;
  const auto add = [&](const Feature* feature, std::string what, std::string wanted,
                       std::string got) {
    mismatches.push_back({{.entity = Show(key),
                           .feature = std::move(what),
                           .read_at = freshet::Show(read),
                           .expected = std::move(wanted),
                           .got = std::move(got),
                           .why = {}},
                          DependsOnOrder(feature, facts),
                          read.now >= holds_.latest});
  };
  if (event_time != expected.event_time) {
    add(nullptr, "event time", freshet::Show(expected.event_time), freshet::Show(event_time));
  }
  for (size_t f = 0; f < cells_.size(); ++f) {
    const Feature& feature = view_.features[f];
    if (holds_.since) {
      const auto reach = ReachOf(view_, feature);
      if (!reach || read.at() - *reach < *holds_.since) {
        ++report_.cells_excluded[kReachesBelow];
        continue;
      }
    }
    ++report_.cells_compared;
    if (oracle::Agrees(expected.cells[f], cells_[f])) continue;
    add(&feature, feature.name, freshet::Show(expected.cells[f]), freshet::Show(cells_[f]));
  }
}

}  // namespace freshet
