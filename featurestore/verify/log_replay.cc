#include "featurestore/verify/log_replay.h"

#include <algorithm>
#include <chrono>

namespace freshet {
namespace {

constexpr std::chrono::seconds kPatience{30};

// Positions of the partitions that are not read to their end yet.
Positions Unfinished(const Positions& at, const Positions& next) {
  Positions left;
  for (const auto& [partition, offset] : at) {
    if (offset < next.at(partition)) left[partition] = offset;
  }
  return left;
}

double Share(int64_t left, int64_t all) {
  return all <= 0 ? 1.0 : 1.0 - static_cast<double>(left) / static_cast<double>(all);
}

int64_t Left(const Positions& at, const Positions& next) {
  int64_t left = 0;
  for (const auto& [partition, offset] : at) {
    left += std::max<int64_t>(next.at(partition) - offset, 0);
  }
  return left;
}

}  // namespace

Status ReplayLog(LogSource& log, const Positions& next, bool every_gap_is_loss,
                 const std::function<StatusOr<bool>(const SourceRecord& record)>& visit,
                 const std::function<Status(double share)>& progress,
                 std::map<int32_t, ReplayedPartition>& found) {
  Positions at;
  for (const auto& [partition, end] : next) {
    ASSIGN_OR_RETURN(const LogBounds bounds, log.Bounds(partition));
    found[partition].start = bounds.start;
    at[partition] = std::min(bounds.start, end);
  }
  const int64_t all = Left(at, next);
  Positions assigned = Unfinished(at, next);
  RETURN_IF_ERROR(log.Assign(assigned));
  LogBatch batch;
  auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (!assigned.empty()) {
    RETURN_IF_ERROR(log.Poll(PollLimits(), batch));
    for (const SourceRecord& record : batch.records) {
      const auto position = at.find(record.partition);
      // What an assignment before this one had fetched may still come.
      if (position == at.end() || record.offset < position->second) continue;
      if (every_gap_is_loss && record.offset > position->second) {
        return absl::OutOfRangeError(
            fmt::format("partition {}: the log lost the records from offset {} to {} while it was "
                        "read; ask again, with less traffic or a longer retention",
                        record.partition, position->second, record.offset - 1));
      }
      if (record.offset >= next.at(record.partition)) {
        position->second = next.at(record.partition);  // no record stood there
        continue;
      }
      position->second = record.offset + 1;
      found[record.partition].last = FingerprintOf(record);
      ASSIGN_OR_RETURN(const bool go_on, visit(record));
      if (!go_on) return OkStatus();
    }
    for (const auto& [partition, end] : batch.ends) {
      if (at.contains(partition)) at[partition] = std::max(at[partition], end);
    }
    const auto now = std::chrono::steady_clock::now();
    if (!batch.records.empty() || !batch.ends.empty()) give_up = now + kPatience;
    RETURN_IF_ERROR(progress(Share(Left(at, next), all)));
    const Positions left = Unfinished(at, next);
    if (!left.empty() && now > give_up) {
      return Unavailable(
          "partition {}: nothing came for {} s at offset {}, and what is stored goes on to {}; "
          "look "
          "at the broker",
          left.begin()->first, kPatience.count(), left.begin()->second,
          next.at(left.begin()->first));
    }
    // What is done is not fetched on, while others are read.
    if (left.size() < assigned.size()) {
      if (!left.empty()) RETURN_IF_ERROR(log.Assign(left));
      assigned = left;
    }
  }
  return OkStatus();
}

}  // namespace freshet
