// Why ingestion of a source stands still: the words of freshet_ingest_paused, of GetProgress and of the log.
#pragma once

#include <string_view>

namespace freshet::pause_reasons {

// Of the log.
inline constexpr char kBrokerDown[] = "broker_down";
inline constexpr char kTopicMissing[] = "topic_missing";
inline constexpr char kTopicUnreadable[] = "topic_unreadable";
inline constexpr char kPartitionsGone[] = "partitions_gone";
inline constexpr char kOffsetOutOfRange[] = "offset_out_of_range";
inline constexpr char kRecordsLost[] = "records_lost";
inline constexpr char kTopicRecreated[] = "topic_recreated";
inline constexpr char kCompactedTopic[] = "compacted_topic";
inline constexpr char kLogReplaced[] = "log_replaced";
// Of the store.
inline constexpr char kDeadLettersFull[] = "dead_letters_full";
inline constexpr char kDiskFull[] = "disk_full";
inline constexpr char kDataDamaged[] = "data_damaged";
inline constexpr char kCommitFailed[] = "commit_failed";

// The log is not, or may not be, the one that was read: what was produced may never be applied.
constexpr bool LogIsLost(std::string_view reason) {
  return reason == kTopicRecreated || reason == kTopicMissing || reason == kRecordsLost ||
         reason == kOffsetOutOfRange || reason == kLogReplaced;
}

// It does not go on by itself: somebody has to reset the source or change its declaration.
constexpr bool StopsForGood(std::string_view reason) {
  return reason == kRecordsLost || reason == kTopicRecreated || reason == kCompactedTopic;
}

}  // namespace freshet::pause_reasons
