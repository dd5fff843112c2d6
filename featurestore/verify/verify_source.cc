#include "featurestore/verify/verify_source.h"

#include <algorithm>
#include <limits>
#include <set>

#include "featurestore/base/hash.h"
#include "featurestore/ingest/pause_reasons.h"
#include "featurestore/ingest/verify.h"
#include "featurestore/ingest/view_progress.h"
#include "featurestore/model/entity_key.h"
#include "featurestore/model/replayed_letter.h"
#include "featurestore/oracle/oracle.h"
#include "featurestore/verify/log_replay.h"
#include "featurestore/verify/row_comparison.h"

namespace freshet {
namespace {

constexpr uint64_t kLastHash = std::numeric_limits<uint64_t>::max();
// A share of the keys that is not cut further, whatever it holds.
constexpr uint64_t kLeastRange = 1ull << 32;

// Hashes of keys, both ends included.
struct KeyRange {
  uint64_t first = 0;
  uint64_t last = kLastHash;
};

// A view and what is stored of it.
struct StoredView {
  ViewToVerify to_verify;
  PartitionProgress progress;
  uint64_t sample_below = kLastHash;  // hashes up to this are compared
};

// What the records of a partition came to.
struct PartitionFacts {
  std::optional<Timestamp> first_accepted;
  std::optional<Timestamp> newest_accepted;
};

// Views that have read the log equally far, verified together.
class Group {
 public:
  Group(const Catalog& catalog, const Source& source, uint32_t source_index, uint32_t incarnation,
        std::vector<StoredView> views, Store& store, const VerifyLog& log,
        const VerifyOptions& options)
      : catalog_(catalog),
        source_(source),
        source_index_(source_index),
        incarnation_(incarnation),
        views_(std::move(views)),
        store_(store),
        every_gap_is_loss_(log.every_gap_is_loss),
        open_log_(log.open),
        options_(options) {}

  Status Verify(SourceVerified& verified) {
    ASSIGN_OR_RETURN(log_, open_log_(source_));
    ASSIGN_OR_RETURN(const std::string another, AnotherLog());
    if (!another.empty()) {
      for (StoredView& view : views_) view.to_verify.report->not_verified = another;
      return OkStatus();
    }
    for (StoredView& view : views_) RETURN_IF_ERROR(CountRows(view));
    uint64_t last = 0;
    for (const StoredView& view : views_) last = std::max(last, view.sample_below);
    for (const auto& [partition, offset] : PositionsOf(progress())) {
      ASSIGN_OR_RETURN(const auto refused,
                       store_.LastRefused(source_.name, incarnation_, partition));
      last_refused_[partition] = refused.value_or(-1);
    }
    std::vector<KeyRange> ranges = {{0, last}};
    bool first = true;
    while (!ranges.empty()) {
      const KeyRange range = ranges.back();
      ranges.pop_back();
      ASSIGN_OR_RETURN(const size_t parts, ReadAndCompare(range));
      ++times_read_;
      if (parts == 1) {
        if (first) RETURN_IF_ERROR(CheckProgress());
        first = false;
        continue;
      }
      const uint64_t width = (range.last - range.first) / parts;
      for (size_t part = parts; part > 0; --part) {
        const uint64_t from = range.first + (part - 1) * (width + 1);
        if (from > range.last) continue;
        ranges.push_back({from, part == parts ? range.last : std::min(range.last, from + width)});
      }
    }
    verified.records = std::max(verified.records, records_);
    if (verified.records == records_) {
      verified.refused = refused_;
    }
    verified.times_read += times_read_;
    return OkStatus();
  }

 private:
  const PartitionProgress& progress() const { return views_.front().progress; }

  // Why the log there is not the one that was read; empty: it is.
  StatusOr<std::string> AnotherLog() {
    if (progress().empty()) return std::string();
    ASSIGN_OR_RETURN(const int32_t partitions, log_->Partitions());
    for (const auto& [partition, stored] : progress()) {
      if (partition >= partitions) {
        return fmt::format("topic {} has {} partitions, and partition {} was read: {}",
                           source_.topic, partitions, partition, kOtherLog);
      }
      ASSIGN_OR_RETURN(const LogVerdict verdict,
                       VerifyPartition(*log_, source_.topic, partition, stored));
      // What is gone from the log is left out of the comparison.
      if (!verdict.ok() && verdict.reason != pause_reasons::kRecordsLost) return verdict.detail;
    }
    return std::string();
  }

  Status CountRows(StoredView& view) {
    uint64_t rows = 0;
    std::vector<uint64_t> hashes;  // of a sample: eight bytes a row
    RETURN_IF_ERROR(store_.Scan(view.to_verify.id, [&](std::string_view key, std::string_view) {
      ++rows;
      if (options_.sample > 0) hashes.push_back(Hash64(key));
      return true;
    }));
    view.to_verify.report->rows_stored = rows;
    if (hashes.size() <= options_.sample) return OkStatus();
    const auto last = hashes.begin() + static_cast<ptrdiff_t>(options_.sample) - 1;
    std::nth_element(hashes.begin(), last, hashes.end());
    view.sample_below = *last;
    return OkStatus();
  }

  // Whether an entity is in this range and in the view's sample.
  static bool IsIn(const KeyRange& range, const StoredView& view, std::string_view key) {
    const uint64_t hash = Hash64(key);
    return hash >= range.first && hash <= range.last && hash <= view.sample_below;
  }

  // 1: done. Otherwise the events take too much memory: into how many parts the range is to be cut.
  StatusOr<size_t> ReadAndCompare(const KeyRange& range) {
    std::vector<Entity> entities;
    std::vector<FeatureView> declared;
    for (const StoredView& view : views_) {
      declared.push_back(catalog_.views[view.to_verify.view]);
      entities.push_back(catalog_.entities[declared.back().entity]);
    }
    const DerivedFields* derived = catalog_.derived[source_index_].get();
    Scratch scratch;
    oracle::Derive derive;
    if (derived != nullptr && !derived->empty()) {
      derive = [derived, &scratch](std::span<Value> fields) {
        scratch.Clear();
        derived->Compute(fields, scratch);
      };
    }
    oracle::Oracle oracle(source_, std::move(entities), std::move(declared), std::move(derive));
    std::string key_bytes;
    oracle.KeepOnly([&](size_t view, const oracle::KeyValues& key) {
      key_bytes.clear();
      return AppendEntityKey(key, key_bytes) && IsIn(range, views_[view], key_bytes);
    });

    records_ = 0;
    refused_.clear();
    facts_.clear();
    found_.clear();
    double share_read = 0;
    bool too_much = false;
    const auto offer = [&](const SourceRecord& record) -> StatusOr<bool> {
      RETURN_IF_ERROR(Offer(record, oracle));
      too_much =
          oracle.memory_bytes() > options_.memory_bytes && range.last - range.first > kLeastRange;
      return !too_much;
    };
    const auto tell = [&](double share) -> Status {
      share_read = share;
      if (options_.cancelled && options_.cancelled()) return absl::CancelledError("stopped");
      if (options_.progress) {
        options_.progress(source_.name, share,
                          static_cast<double>(range.first) / static_cast<double>(kLastHash));
      }
      return OkStatus();
    };
    RETURN_IF_ERROR(
        ReplayLog(*log_, PositionsOf(progress()), every_gap_is_loss_, offer, tell, found_));
    if (too_much) {
      // As many as the part that was read says, and a quarter more.
      const double parts = 1.25 / std::max(share_read, 1.0 / 1024);
      return static_cast<size_t>(std::clamp(parts, 2.0, 1024.0));
    }
    for (size_t v = 0; v < views_.size(); ++v) RETURN_IF_ERROR(Compare(v, range, oracle));
    return 1;
  }

  Status Offer(const SourceRecord& record, oracle::Oracle& oracle) {
    ++records_;
    const Coordinates at{incarnation_, record.partition, record.offset};
    oracle::Record offered{.key = record.raw.key,
                           .value = record.raw.value,
                           .record_time = record.raw.record_time,
                           .seen_at = std::nullopt,
                           .headers = {}};
    for (const auto& header : record.raw.headers) offered.headers.push_back(header);
    if (catalog_.clock == ClockKind::kWall) {
      // "The refusal is kept under its coordinates": whatever the wall clock said then.
      offered.seen_at = record.broker_time ? record.raw.record_time : Timestamp::Max();
      if (!record.broker_time && record.offset <= last_refused_.at(record.partition)) {
        ASSIGN_OR_RETURN(const bool was_refused, store_.IsRefused(source_.name, at));
        // Refused by the oracle too, which has to know whose push it was.
        if (was_refused) offered.seen_at = Timestamp::Min();
      }
    }
    ASSIGN_OR_RETURN(const bool counts_already, OriginalCounts(record, offered));
    if (counts_already) return OkStatus();
    const bool tombstone = !record.raw.value.has_value();
    const uint64_t repeated = oracle.repeated_pushes();
    const std::optional<oracle::Refusal> refusal = oracle.Offer(offered, at);
    if (oracle.repeated_pushes() > repeated) return OkStatus();  // moves nothing
    if (refusal) ++refused_[std::string(oracle::RefusalName(*refusal))];
    if (tombstone || (refusal && *refusal != oracle::Refusal::kNoKey)) return OkStatus();
    PartitionFacts& facts = facts_[record.partition];
    const std::optional<Timestamp> time = oracle.last_event_time();
    if (!facts.first_accepted) facts.first_accepted = time;
    facts.newest_accepted = std::max(facts.newest_accepted, time);
    return OkStatus();
  }

  // "Who accepted the record itself drops the copy": of a letter of reason future, whose own time has come.
  StatusOr<bool> OriginalCounts(const SourceRecord& record, const oracle::Record& offered) const {
    if (record.broker_time || offered.seen_at != Timestamp::Max()) return false;
    const auto original = ReadCopiedFrom(source_.name, record.raw.headers,
                                         {incarnation_, record.partition, record.offset});
    if (!original) return false;
    ASSIGN_OR_RETURN(const bool refused, store_.IsRefused(source_.name, *original));
    return !refused;
  }

  bool LacksRecords(int32_t partition, const Progress& stored) const {
    return stored.incarnation > 0 || stored.complete_since || stored.awaits_complete_since ||
           found_.at(partition).start > 0;
  }

  LogHolds HoldsOf(const StoredView& view) const {
    LogHolds holds;
    std::set<int32_t> all;
    for (const auto& [partition, stored] : view.progress) {
      all.insert(partition);
      for (const auto& time : {stored.newest_event, stored.expiry_time}) {
        if (time) holds.latest = std::max(holds.latest, *time);
      }
      if (!LacksRecords(partition, stored)) continue;
      const auto facts = facts_.find(partition);
      std::optional<Timestamp> since =
          facts == facts_.end() ? std::nullopt : facts->second.first_accepted;
      since = std::max(since, stored.complete_since);
      // What is gone may have been out of order with what is there, and its ids may have made doubles of it.
      if (since) {
        since = *since + source_.lateness + (source_.dedup ? source_.dedup->within : Duration{});
      }
      // What is missing may be the latest there is: of what was read, and, where an end was lost, of what the log has in its place.
      if (!since || stored.awaits_complete_since) {
        std::optional<Timestamp> newest = stored.newest_event;
        if (facts != facts_.end()) newest = std::max(newest, facts->second.newest_accepted);
        if (newest) since = std::max(since, std::optional(*newest + Duration{1}));
      }
      holds.since = std::max(holds.since, since);
    }
    holds.expiry_bound = ExpiryBound(view.progress, all);
    return holds;
  }

  Status Compare(size_t v, const KeyRange& range, const oracle::Oracle& oracle) {
    StoredView& view = views_[v];
    ViewVerified& report = *view.to_verify.report;
    const LogHolds holds = HoldsOf(view);
    report.log_holds_since = std::max(report.log_holds_since, holds.since);
    RowComparison comparison(catalog_, view.to_verify.view, oracle, v, holds,
                             options_.differences_kept, report);
    Status stopped;
    RETURN_IF_ERROR(store_.Scan(view.to_verify.id, [&](std::string_view key, std::string_view row) {
      if (options_.cancelled && options_.cancelled()) stopped = absl::CancelledError("stopped");
      if (!stopped.ok()) return false;
      if (IsIn(range, view, key)) comparison.Stored(key, row);
      return true;
    }));
    RETURN_IF_ERROR(stopped);
    comparison.Missing();
    return OkStatus();
  }

  // What is stored of a partition beside what its records say.
  Status CheckProgress() {
    for (StoredView& view : views_) {
      ViewVerified& report = *view.to_verify.report;
      for (const auto& [partition, stored] : view.progress) {
        const auto differs = [&, partition = partition](std::string expected, std::string got,
                                                        std::string why) {
          ++report.differences;
          report.first.insert(report.first.begin(),
                              {.entity = {},
                               .feature = fmt::format("progress of partition {}", partition),
                               .read_at = {},
                               .expected = std::move(expected),
                               .got = std::move(got),
                               .why = std::move(why)});
        };
        const auto& last = found_.at(partition).last;
        // Reading went on behind what was never read, and nothing came since: `freshet reset-source`.
        const bool skipped = !stored.last && stored.awaits_complete_since;
        if (last && !skipped && (!stored.last || stored.last->offset < last->offset)) {
          differs(fmt::format("the last record passed at offset {}", last->offset),
                  stored.last ? fmt::format("at offset {}", stored.last->offset) : "none passed",
                  fmt::format("everything before offset {} is said to be passed", stored.next));
        }
        if (stored.last && stored.last->offset >= stored.next) {
          differs(fmt::format("nothing passed from offset {} on", stored.next),
                  fmt::format("the record at offset {} passed", stored.last->offset),
                  "what is stored of a partition contradicts itself");
        }
        if (LacksRecords(partition, stored)) continue;
        const auto facts = facts_.find(partition);
        const std::optional<Timestamp> newest =
            facts == facts_.end() ? std::nullopt : facts->second.newest_accepted;
        if (newest == stored.newest_event) continue;
        const auto show = [](const std::optional<Timestamp>& time) {
          return time ? FormatTimestamp(*time) : std::string("none");
        };
        differs("newest event " + show(newest), show(stored.newest_event),
                fmt::format("of the records before offset {}", stored.next));
      }
    }
    return OkStatus();
  }

  static constexpr const char* kOtherLog =
      "this is not the log that was read so far; verify where it is";

  const Catalog& catalog_;
  const Source& source_;
  const uint32_t source_index_;
  const uint32_t incarnation_;
  std::vector<StoredView> views_;
  Store& store_;
  const bool every_gap_is_loss_;
  const decltype(VerifyLog::open)& open_log_;
  const VerifyOptions& options_;
  std::unique_ptr<LogSource> log_;
  std::map<int32_t, int64_t> last_refused_;
  uint64_t times_read_ = 0;

  // Of the reading at hand.
  uint64_t records_ = 0;
  std::map<std::string, uint64_t> refused_;
  std::map<int32_t, PartitionFacts> facts_;
  std::map<int32_t, ReplayedPartition> found_;
};

// Partitions that only earlier makings of a log had: whatever a new one has is begun in one commit.
void LeaveOutEarlier(PartitionProgress& progress) {
  uint32_t latest = 0;
  for (const auto& [partition, stored] : progress) latest = std::max(latest, stored.incarnation);
  std::erase_if(progress, [&](const auto& one) { return one.second.incarnation < latest; });
}

// The log that a view's progress is of, as the folder knows it; none: the one that is there. Else why not.
std::string ReadAnother(const Source& source, const std::vector<Store::SourceLog>& logs,
                        const PartitionProgress& progress, const std::string& log_id) {
  for (const auto& [partition, stored] : progress) {
    const auto found = std::find_if(
        logs.begin(), logs.end(),
        [&, &stored = stored](const auto& log) { return log.incarnation == stored.incarnation; });
    if (found != logs.end() && found->topic == source.topic && found->log_id == log_id) continue;
    return fmt::format(
        "it has read {} as its incarnation {}, and the log there now is topic {}{}: verify while "
        "the log that was read is there",
        found == logs.end()
            ? "a log that the folder does not know any more"
            : fmt::format("topic {}{}", found->topic,
                          found->log_id.empty() ? " of a broker"
                                                : " of the embedded broker " + found->log_id),
        stored.incarnation, source.topic,
        log_id.empty() ? " of a broker" : " of the embedded broker " + log_id);
  }
  return {};
}

}  // namespace

StatusOr<SourceVerified> VerifySource(const Catalog& catalog, uint32_t source_index,
                                      const std::vector<ViewToVerify>& views, Store& store,
                                      const VerifyLog& log, const VerifyOptions& options) {
  const Source& source = catalog.sources[source_index];
  SourceVerified verified;
  verified.source = source.name;
  ASSIGN_OR_RETURN(const auto logs, store.ReadLogs());
  const auto known = logs.find(source.name);
  // By what they have read; a view under an earlier incarnation than another has read another log.
  std::map<std::pair<uint32_t, Positions>, std::vector<StoredView>> groups;
  for (const ViewToVerify& view : views) {
    StoredView stored{view, {}};
    ASSIGN_OR_RETURN(stored.progress, store.ReadProgress(view.id));
    LeaveOutEarlier(stored.progress);
    view.report->not_verified =
        ReadAnother(source, known == logs.end() ? std::vector<Store::SourceLog>() : known->second,
                    stored.progress, log.log_id);
    if (!view.report->not_verified.empty()) continue;
    const uint32_t incarnation =
        stored.progress.empty() ? 0 : stored.progress.begin()->second.incarnation;
    groups[{incarnation, PositionsOf(stored.progress)}].push_back(std::move(stored));
  }
  for (auto& [read, stored] : groups) {
    Group group(catalog, source, source_index, read.first, std::move(stored), store, log, options);
    const Status status = group.Verify(verified);
    if (!status.ok()) {
      return MakeStatus(status.code(), "source {}, topic {}: {}", source.name, source.topic,
                        MessageOf(status));
    }
  }
  return verified;
}

}  // namespace freshet
