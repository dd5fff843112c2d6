#include "featurestore/ingest/kafka_source.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

namespace freshet {
namespace {

constexpr int kAskTimeoutMs = 3000;
constexpr int kSettingsTimeoutMs = 1500;
constexpr size_t kTakeAtOnce = 2048;
constexpr std::chrono::seconds kEndsWithin{3};
constexpr int kWakeTimeoutMs = 1;

// It is in no group, and its commits are advisory: nothing is to be waited for. But librdkafka 2.0.2 waits for what is under way,
// such as a commit for a topic that was deleted meanwhile, longer than a stop may take, and closing it does so without end where
// the broker has gone at the wrong moment. So it ends beside; what takes too long is left behind, and ends by itself.
void End(rd_kafka_t* handle) {
  const auto ended = std::make_shared<std::promise<void>>();
  std::thread([handle, ended] {
    rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    ended->set_value();
  }).detach();
  ended->get_future().wait_for(kEndsWithin);
}

}  // namespace

KafkaSource::KafkaSource(KafkaSourceOptions options) : options_(std::move(options)) {}

KafkaSource::~KafkaSource() {
  Release();
  if (handle_ != nullptr) {
    rd_kafka_assign(handle_.get(), nullptr);
    queue_.reset();
    End(handle_.release());
  }
}

StatusOr<std::unique_ptr<KafkaSource>> KafkaSource::Make(KafkaSourceOptions options) {
  std::unique_ptr<KafkaSource> source(new KafkaSource(std::move(options)));
  const KafkaSourceOptions& o = source->options_;
  const uint64_t queue_kbytes = std::max<uint64_t>(o.queue_bytes / 1024, 1024);
  KafkaSettingsList fixed = FixedConsumerSettings();
  fixed.emplace_back("group.id", o.group);
  fixed.emplace_back("queued.max.messages.kbytes", fmt::format("{}", queue_kbytes));
  ASSIGN_OR_RETURN(KafkaConf conf,
                   MakeKafkaConf(o.bootstrap,
                                 {{"fetch.wait.max.ms", "50"},
                                  {"fetch.error.backoff.ms", "100"},
                                  {"reconnect.backoff.ms", "100"},
                                  {"reconnect.backoff.max.ms", "2000"},
                                  {"socket.connection.setup.timeout.ms", "5000"},
                                  {"topic.metadata.refresh.interval.ms", "30000"},
                                  // No group is joined. But so long it waits, when it is
                                  // destroyed, for a coordinator that an advisory commit needs.
                                  {"session.timeout.ms", "1000"},
                                  {"heartbeat.interval.ms", "300"}},
                                 o.options, fixed));
  rd_kafka_conf_set_opaque(conf.get(), source.get());
  rd_kafka_conf_set_error_cb(conf.get(), &KafkaSource::OnError);
  ASSIGN_OR_RETURN(source->handle_, MakeKafkaHandle(RD_KAFKA_CONSUMER, std::move(conf)));
  rd_kafka_poll_set_consumer(source->handle_.get());
  source->queue_.reset(rd_kafka_queue_get_consumer(source->handle_.get()));
  return source;
}

// Runs inside Poll, on the polling thread.
void KafkaSource::OnError(rd_kafka_t* handle, int error, const char* reason, void* opaque) {
  auto& self = *static_cast<KafkaSource*>(opaque);
  const auto code = static_cast<rd_kafka_resp_err_t>(error);
  if (self.options_.on_error) self.options_.on_error(rd_kafka_err2name(code));
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__FATAL) {
    self.lost_connection_ = reason;
  }
  (void)handle;
}

StatusOr<int32_t> KafkaSource::Partitions() {
  return TopicPartitions(handle_.get(), options_.topic, kAskTimeoutMs);
}

StatusOr<LogBounds> KafkaSource::Bounds(int32_t partition) {
  LogBounds bounds;
  const auto error = rd_kafka_query_watermark_offsets(
      handle_.get(), options_.topic.c_str(), partition, &bounds.start, &bounds.end, kAskTimeoutMs);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return bounds;
  return Unavailable("topic {}, partition {}: the log's bounds cannot be asked: {}", options_.topic,
                     partition, KafkaErrorText(error));
}

StatusOr<TopicSettings> KafkaSource::Settings() {
  return AskTopicSettings(handle_.get(), options_.topic, kSettingsTimeoutMs);
}

Status KafkaSource::AssignList(const rd_kafka_topic_partition_list_t* list) {
  Release();
  assigned_.clear();
  const auto error = rd_kafka_assign(handle_.get(), list);
  lost_connection_.clear();
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return OkStatus();
  return Unavailable("topic {}: cannot be assigned: {}", options_.topic, KafkaErrorText(error));
}

Status KafkaSource::Assign(const Positions& next) {
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(next.size())));
  for (const auto& [partition, offset] : next) {
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), partition)->offset =
        offset;
  }
  RETURN_IF_ERROR(AssignList(list.get()));
  for (const auto& [partition, offset] : next) assigned_.push_back(partition);
  return OkStatus();
}

StatusOr<std::optional<RecordFingerprint>> KafkaSource::FirstAt(int32_t partition, int64_t offset) {
  ASSIGN_OR_RETURN(const auto found, FirstOfEach({{partition, offset}}));
  if (found.empty()) return std::nullopt;
  return found.begin()->second;
}

StatusOr<std::map<int32_t, RecordFingerprint>> KafkaSource::FirstOfEach(const Positions& at) {
  RETURN_IF_ERROR(Assign(at));
  std::map<int32_t, RecordFingerprint> found;
  Positions missing = at;
  LogBatch batch;
  PollLimits limits;
  limits.wait = Duration::Millis(100);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(kAskTimeoutMs);
  while (!missing.empty() && std::chrono::steady_clock::now() < give_up) {
    RETURN_IF_ERROR(Poll(limits, batch));
    for (const SourceRecord& record : batch.records) {
      const auto wanted = missing.find(record.partition);
      if (wanted == missing.end() || record.offset < wanted->second) continue;
      found.emplace(record.partition, FingerprintOf(record));
      missing.erase(wanted);
    }
    for (const auto& [partition, end] : batch.ends) missing.erase(partition);
  }
  RETURN_IF_ERROR(AssignList(nullptr));
  if (missing.empty()) return found;
  return Unavailable("topic {}, partition {}: the record at offset {} did not come within {} s",
                     options_.topic, missing.begin()->first, missing.begin()->second,
                     kAskTimeoutMs / 1000);
}

StatusOr<std::map<int32_t, std::optional<int64_t>>> KafkaSource::FirstAfter(
    const std::map<int32_t, Timestamp>& times) {
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(times.size())));
  for (const auto& [partition, time] : times) {
    // Kafka's times are of milliseconds; it answers with the first record at the time or later.
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), partition)->offset =
        time.us / 1000 + 1;
  }
  const auto error = rd_kafka_offsets_for_times(handle_.get(), list.get(), kSettingsTimeoutMs);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Unavailable("topic {}: offsets of times cannot be asked: {}", options_.topic,
                       KafkaErrorText(error));
  }
  std::map<int32_t, std::optional<int64_t>> found;
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& answer = list->elems[i];
    if (answer.err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    found[answer.partition] =
        answer.offset >= 0 ? std::optional<int64_t>(answer.offset) : std::nullopt;
  }
  return found;
}

// Where its queue is full, a broker's thread of librdkafka sleeps for a second, unless something is sent or comes (its issue 2879; from
// 2.2 on fetch.queue.backoff.ms says how long). Long before, the queue is empty. A question to every leader wakes it; nobody waits
// for the answer.
void KafkaSource::KeepFetching() {
  // It was not full since it was woken last, unless so much was taken. Whether the log holds more, only a broker could tell: what is
  // known of its end is of the last fetch, all of which is in the queue where the source keeps up.
  const bool was_full =
      records_since_wake_ >= kFullQueueRecords / 2 || bytes_since_wake_ >= options_.queue_bytes / 2;
  const size_t queued = rd_kafka_queue_length(queue_.get());
  if (!was_full || queued > kFullQueueRecords / 3) return;
  records_since_wake_ = bytes_since_wake_ = 0;
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(assigned_.size())));
  for (const int32_t partition : assigned_) {
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), partition)->offset =
        RD_KAFKA_OFFSET_END;
  }
  rd_kafka_offsets_for_times(handle_.get(), list.get(), kWakeTimeoutMs);
}

Status KafkaSource::Poll(const PollLimits& limits, LogBatch& batch) {
  Release();
  batch.Clear();
  KeepFetching();
  // A batch call waits until it is full: one record first, then what is there.
  RETURN_IF_ERROR(Take(static_cast<int>(limits.wait.us / 1000), 1, batch));
  while (!messages_.empty() && batch.records.size() < limits.records &&
         batch.bytes < limits.bytes) {
    const size_t before = messages_.size();
    RETURN_IF_ERROR(Take(0, std::min(limits.records - batch.records.size(), kTakeAtOnce), batch));
    if (messages_.size() == before) break;
  }
  records_since_wake_ += batch.records.size();
  bytes_since_wake_ += batch.bytes;
  // Records that came after the connection was lost may be another log's: they are read again once that was verified.
  if (!lost_connection_.empty()) {
    Release();
    batch.Clear();
    return Unavailable("{}: {}", options_.bootstrap, lost_connection_);
  }
  return OkStatus();
}

Status KafkaSource::Take(int timeout_ms, size_t at_most, LogBatch& batch) {
  taken_.resize(at_most);
  const ssize_t count =
      rd_kafka_consume_batch_queue(queue_.get(), timeout_ms, taken_.data(), at_most);
  Status failed;
  for (ssize_t i = 0; i < count; ++i) {
    rd_kafka_message_t* const message = taken_[static_cast<size_t>(i)];
    messages_.push_back(message);
    if (failed.ok()) failed = Append(message, batch);
  }
  return failed;
}

Status KafkaSource::Append(rd_kafka_message_t* message, LogBatch& batch) {
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    batch.ends[message->partition] = message->offset;
    return OkStatus();
  }
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (options_.on_error) options_.on_error(rd_kafka_err2name(message->err));
    return ErrorOf(*message);
  }
  SourceRecord& record = batch.records.emplace_back();
  record.partition = message->partition;
  record.offset = message->offset;
  if (message->key != nullptr) {
    record.raw.key = std::string_view(static_cast<const char*>(message->key), message->key_len);
  }
  if (message->payload != nullptr) {
    record.raw.value = std::string_view(static_cast<const char*>(message->payload), message->len);
  }
  rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t time_ms = rd_kafka_message_timestamp(message, &kind);
  const bool has_time = kind != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && time_ms >= 0;
  record.raw.record_time =
      has_time ? Timestamp{} + Duration{time_ms > INT64_MAX / 1000 ? INT64_MAX : time_ms * 1000}
               : kNoRecordTime;
  record.broker_time = kind == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
  if (options_.headers) AppendHeaders(*message, record);
  batch.bytes += message->len + message->key_len;
  return OkStatus();
}

void KafkaSource::AppendHeaders(const rd_kafka_message_t& message, SourceRecord& record) {
  rd_kafka_headers_t* found = nullptr;
  if (rd_kafka_message_headers(&message, &found) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  auto list = std::make_unique<HeaderList>();
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0;
       rd_kafka_header_get_all(found, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    if (value == nullptr) continue;  // a header without a value is null
    list->emplace_back(name, std::string_view(static_cast<const char*>(value), size));
  }
  record.raw.headers = *list;
  headers_.push_back(std::move(list));
}

Status KafkaSource::ErrorOf(const rd_kafka_message_t& message) const {
  const char* const text = rd_kafka_message_errstr(&message);
  switch (message.err) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return NotFound("the topic {} is gone: {}", options_.topic, text);
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return MakeStatus(absl::StatusCode::kOutOfRange, "topic {}, partition {}: {}", options_.topic,
                        message.partition, text);
    default:
      return Unavailable("topic {}, partition {}: {}", options_.topic, message.partition, text);
  }
}

void KafkaSource::Release() {
  for (rd_kafka_message_t* message : messages_) rd_kafka_message_destroy(message);
  messages_.clear();
  headers_.clear();
}

std::optional<int64_t> KafkaSource::KnownEnd(int32_t partition) {
  int64_t start = 0, end = 0;
  if (rd_kafka_get_watermark_offsets(handle_.get(), options_.topic.c_str(), partition, &start,
                                     &end) != RD_KAFKA_RESP_ERR_NO_ERROR ||
      end < 0) {
    return std::nullopt;
  }
  return end;
}

void KafkaSource::CommitAdvisory(const Positions& durable) {
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(durable.size())));
  for (const auto& [partition, offset] : durable) {
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), partition)->offset =
        offset;
  }
  rd_kafka_commit(handle_.get(), list.get(), /*async=*/1);
}

}  // namespace freshet
