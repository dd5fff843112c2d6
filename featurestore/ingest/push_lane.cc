#include "featurestore/ingest/push_lane.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "featurestore/ingest/push_refusals.h"

namespace freshet {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* kCountEveryMs = "5000";  // partitions, as the live loop
// Longer than any flight takes to be handed over: what sends it is the flush.
constexpr const char* kLingerMs = "60000";
constexpr int kFlushMs = 50;
constexpr int kAskTimeoutMs = 1000;
constexpr int kAskEndTimes = 3;
constexpr milliseconds kIdlePoll{1000};
constexpr milliseconds kAfterFatal{5000};
// More than a record and a header take in a batch beside their bytes, and a batch beside its records.
constexpr size_t kRecordWireBytes = 64;
constexpr size_t kHeaderWireBytes = 12;
constexpr size_t kBatchWireBytes = 128;

size_t WireBytes(const PushRecord& record) {
  return record.bytes() + kRecordWireBytes + record.header_count() * kHeaderWireBytes;
}

size_t SizeOption(rd_kafka_t* handle, const char* name) {
  std::array<char, 64> text{};
  size_t size = text.size();
  if (rd_kafka_conf_get(rd_kafka_conf(handle), name, text.data(), &size) != RD_KAFKA_CONF_OK) {
    return 1;
  }
  return std::strtoull(text.data(), nullptr, 10);
}

int64_t SteadyUs(steady_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

Status Stops() { return Unavailable("the server stops"); }

}  // namespace

PushLane::PushLane(std::string topic, PushLaneOptions options, PushLaneTells tells)
    : topic_(std::move(topic)), options_(std::move(options)), tells_(std::move(tells)) {
  thread_ = std::thread([this] { Run(); });
}

PushLane::~PushLane() {
  BeginStop(steady_clock::now());
  Stop();
}

StatusOr<KafkaConf> PushLane::ProducerConf(const PushLaneOptions& options) {
  std::map<std::string, std::string> wanted = options.kafka_options;
  for (const char* other : {"message.timeout.ms", "delivery.timeout.ms", "linger.ms",
                            "queue.buffering.max.ms", "enable.gapless.guarantee"}) {
    wanted.erase(other);
  }
  KafkaSettingsList fixed = FixedReplaySettings();
  fixed.emplace_back("message.timeout.ms", "0");
  fixed.emplace_back("linger.ms", kLingerMs);
  // A topic that is gone is for its operator to make, with the partitions that it should have.
  fixed.emplace_back("allow.auto.create.topics", "false");
  return MakeKafkaConf(options.bootstrap,
                       {{"reconnect.backoff.ms", "100"},
                        {"reconnect.backoff.max.ms", "1000"},
                        {"topic.metadata.refresh.interval.ms", kCountEveryMs},
                        {"queue.buffering.max.messages", "1000000"},
                        {"queue.buffering.max.kbytes", "262144"}},
                       wanted, fixed);
}

void PushLane::Append(std::vector<PushRecord> records, Delivered delivered) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      auto call = std::make_shared<Call>();
      call->records = std::move(records);
      call->delivered = std::move(delivered);
      calls_.push_back(std::move(call));
      wake_.notify_all();
      return;
    }
  }
  for (size_t i = 0; i < records.size(); ++i) delivered(i, {Stops()});
}

void PushLane::BeginStop(steady_clock::time_point until) {
  const std::lock_guard lock(mutex_);
  if (!stopping_) stop_at_us_ = SteadyUs(until);
  stopping_ = true;
  wake_.notify_all();
}

void PushLane::Stop() {
  if (thread_.joinable()) thread_.join();
}

void PushLane::BreakForTest(rd_kafka_resp_err_t error) {
  const std::lock_guard lock(handle_mutex_);
  if (handle_ != nullptr) rd_kafka_test_fatal_error(handle_.get(), error, "a test's");
}

bool PushLane::OutOfTime() const {
  return stop_at_us_ > 0 && SteadyUs(steady_clock::now()) >= stop_at_us_;
}

// --- The lane's thread -------------------------------------------------------------------------------------------

void PushLane::Run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kIdlePoll, [this] { return stopping_ || !calls_.empty(); });
      if (calls_.empty() && stopping_) return;
    }
    if (handle_ != nullptr) rd_kafka_poll(handle_.get(), 0);
    if (const auto waiting = Waiting(); !waiting.empty()) Fly(waiting);
  }
}

std::vector<PushLane::CallPtr> PushLane::Waiting() {
  const std::lock_guard lock(mutex_);
  while (!calls_.empty() && calls_.front()->next == calls_.front()->records.size()) {
    calls_.pop_front();
  }
  return {calls_.begin(), calls_.end()};
}

void PushLane::Fly(const std::vector<CallPtr>& waiting) {
  const Status ready = Producer();
  if (!ready.ok()) {
    for (const CallPtr& call : waiting) {
      if (call->failed.ok()) call->failed = ready;
    }
  }
  std::vector<Flying> unsent;
  std::vector<Flying> flight = Gather(waiting, unsent);
  SendAll(flight);
  Await();
  Settle(flight);
  for (const Flying& one : flight) one.call->delivered(one.record, one.to);
  for (const Flying& one : unsent) one.call->delivered(one.record, one.to);
}

bool PushLane::IsFatal() const {
  std::array<char, 8> reason{};
  return handle_ != nullptr &&
         rd_kafka_fatal_error(handle_.get(), reason.data(), reason.size()) != 0;
}

Status PushLane::Producer() {
  // Nothing is on its way, so that one that takes its place overtakes nothing.
  if (IsFatal()) {
    const std::lock_guard lock(handle_mutex_);
    handle_.reset();
  }
  if (handle_ != nullptr && !ask_topic_) return OkStatus();
  if (handle_ == nullptr) RETURN_IF_ERROR(MakeProducer());
  // A producer that does not know the topic's partitions yet would deal out records while it sends them, and one that was told it may
  // not write would remember that.
  while (true) {
    if (OutOfTime()) return Stops();
    const auto partitions = TopicPartitions(handle_.get(), topic_, kAskTimeoutMs);
    rd_kafka_poll(handle_.get(), 0);
    if (absl::IsNotFound(partitions.status())) {
      tells_.missing(partitions.status());
      return partitions.status();
    }
    if (!absl::IsUnavailable(partitions.status())) break;
  }
  ask_topic_ = false;
  return OkStatus();
}

Status PushLane::MakeProducer() {
  ASSIGN_OR_RETURN(KafkaConf conf, ProducerConf(options_));
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_dr_msg_cb(conf.get(), &PushLane::OnDelivery);
  rd_kafka_conf_set_error_cb(conf.get(), &PushLane::OnError);
  ASSIGN_OR_RETURN(KafkaHandle made, MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf)));
  batch_bytes_ =
      std::min({SizeOption(made.get(), "batch.size"), SizeOption(made.get(), "message.max.bytes"),
                SizeOption(made.get(), "queue.buffering.max.kbytes") * 1024});
  batch_records_ = std::min(SizeOption(made.get(), "batch.num.messages"),
                            SizeOption(made.get(), "queue.buffering.max.messages"));
  ask_topic_ = true;
  const std::lock_guard lock(handle_mutex_);
  handle_ = std::move(made);
  return OkStatus();
}

size_t PushLane::FlightBytes() const {
  const size_t limit = limit_;
  size_t bytes = batch_bytes_;
  if (limit > 0) bytes = std::min(bytes, limit);
  if (learnt_bytes_ > 0 && learnt_of_ == limit) bytes = std::min(bytes, learnt_bytes_);
  return bytes > kBatchWireBytes ? bytes - kBatchWireBytes : 1;
}

std::vector<PushLane::Flying> PushLane::Gather(const std::vector<CallPtr>& waiting,
                                               std::vector<Flying>& unsent) {
  const size_t most = FlightBytes();
  std::vector<Flying> flight;
  size_t bytes = 0;
  for (const CallPtr& call : waiting) {
    for (; call->next < call->records.size(); ++call->next) {
      const PushRecord& record = call->records[call->next];
      Flying one{call, call->next};
      one.to.status = OutOfTime() ? Stops() : Behind(*call, record);
      if (!one.to.status.ok()) {
        unsent.push_back(std::move(one));
        continue;
      }
      bytes += WireBytes(record);
      if (!flight.empty() && (bytes > most || flight.size() >= batch_records_)) return flight;
      flight.push_back(std::move(one));
    }
  }
  return flight;
}

void PushLane::SendAll(std::vector<Flying>& flight) {
  for (Flying& one : flight) {
    one.to.status = Behind(*one.call, one.its_record());
    if (one.to.status.ok()) {
      Send(one);
      if (one.is_sent) continue;
      one.to.status = StatusOf(one);
    }
    End(one);
  }
}

void PushLane::Send(Flying& one) {
  const PushRecord& record = one.its_record();
  rd_kafka_headers_t* headers = nullptr;
  if (record.header_count() > 0) {
    headers = rd_kafka_headers_new(record.header_count());
    record.EachHeader([&](std::string_view name, std::string_view value) {
      rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                          static_cast<ssize_t>(value.size()));
    });
  }
  int32_t partition = RD_KAFKA_PARTITION_UA;
  if (!record.key && !record.spread_by.empty()) {
    partition = rd_kafka_msg_partitioner_murmur2(
        nullptr, record.spread_by.data(), record.spread_by.size(), partitions_, nullptr, nullptr);
  }
  void* const value = record.value ? const_cast<char*>(record.value->data()) : nullptr;
  const size_t value_size = record.value ? record.value->size() : 0;
  const void* const key = record.key ? record.key->data() : nullptr;
  const size_t key_size = record.key ? record.key->size() : 0;
  const int64_t time_ms = record.time ? record.time->us / 1000 : 0;  // 0: now
  one.to = {};
  one.error = rd_kafka_producev(
      handle_.get(), RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(partition),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, value_size),
      RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_TIMESTAMP(time_ms), RD_KAFKA_V_HEADERS(headers),
      RD_KAFKA_V_OPAQUE(&one), RD_KAFKA_V_END);
  one.is_sent = one.error == RD_KAFKA_RESP_ERR_NO_ERROR;
  if (one.is_sent) {
    ++in_flight_;
  } else if (headers != nullptr) {
    rd_kafka_headers_destroy(headers);
  }
}

// Inside rd_kafka_flush.
void PushLane::OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& self = *static_cast<PushLane*>(opaque);
  auto& one = *static_cast<Flying*>(message->_private);
  one.error = message->err;
  one.to.partition = message->partition;
  one.to.offset = message->offset;
  --self.in_flight_;
}

void PushLane::OnError(rd_kafka_t*, int error, const char* reason, void* opaque) {
  const auto& self = *static_cast<PushLane*>(opaque);
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) self.tells_.away(reason);
}

void PushLane::Await() {
  std::optional<steady_clock::time_point> fatal_since;
  while (in_flight_ > 0) {
    rd_kafka_flush(handle_.get(), kFlushMs);
    if (!fatal_since && IsFatal()) fatal_since = steady_clock::now();
    // After a fatal error what is not in a broker's hands is told of at once, and of the rest the broker tells.
    const bool over = fatal_since && steady_clock::now() - *fatal_since > kAfterFatal;
    if (over || OutOfTime()) {
      rd_kafka_purge(handle_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
  }
}

Status PushLane::StatusOf(const Flying& one) const {
  if (one.error == RD_KAFKA_RESP_ERR_NO_ERROR) return OkStatus();
  const std::string text = RefusalText(one.error);
  if (IsOfOneRecord(one.error)) return InvalidArgument("the topic {} refused it: {}", topic_, text);
  if (IsDenied(one.error)) {
    return MakeStatus(absl::StatusCode::kPermissionDenied, "the topic {}: {}", topic_, text);
  }
  if (one.error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
      one.error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    return NotFound("the topic {} does not exist on the broker; create it", topic_);
  }
  return Unavailable("{}", text);
}

Status PushLane::Behind(const Call& call, const PushRecord& record) const {
  if (!call.failed.ok()) return call.failed;
  if (call.ended.empty() || record.spread_by.empty()) return OkStatus();
  const auto ended = call.ended.find(record.spread_by);
  if (ended == call.ended.end()) return OkStatus();
  return MakeStatus(absl::StatusCode::kAborted,
                    "it was not sent, as an earlier one of its producer was not taken: {}",
                    ended->second);
}

// After one that was not taken.
void PushLane::End(const Flying& one) {
  Call& call = *one.call;
  if (!absl::IsInvalidArgument(one.to.status) && !absl::IsAborted(one.to.status) &&
      call.failed.ok()) {
    call.failed = one.to.status;
  }
  const std::string& producer = one.its_record().spread_by;
  if (producer.empty()) return;
  const std::string why(MessageOf(one.to.status));
  call.ended.try_emplace(producer, why);
  // What it had sent meanwhile would overtake it.
  const std::lock_guard lock(mutex_);
  for (const CallPtr& waiting : calls_) {
    if (waiting != one.call) waiting->ended.try_emplace(producer, why);
  }
}

void PushLane::Settle(std::vector<Flying>& flight) {
  std::map<int32_t, size_t> refused;  // by partition
  std::map<int32_t, const Flying*> last;
  std::map<int32_t, StatusOr<int64_t>> ends;
  size_t bytes = 0;
  bool of_size = false, any_taken = false;
  for (const Flying& one : flight) {
    if (!one.is_sent) continue;
    bytes += WireBytes(one.its_record());
    if (one.error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      last[one.to.partition] = &one;
      any_taken = true;
    }
    if (IsOfOneRecord(one.error)) ++refused[one.to.partition];
    of_size = of_size || (IsOfSize(one.error) && flight.size() > 1);
  }
  for (Flying& one : flight) {
    if (!one.is_sent) continue;
    const bool was_of_many = IsOfOneRecord(one.error) && refused[one.to.partition] > 1;
    // Should a batch have come after it all the same, its place is taken: it is not to be sent behind that.
    const auto taken = last.find(one.to.partition);
    const bool overtaken = was_of_many && taken != last.end() && taken->second > &one;
    if (was_of_many && !overtaken) {
      if (Status behind = Behind(*one.call, one.its_record()); !behind.ok()) {
        one.to.status = std::move(behind);
        continue;
      }
      // Whether it was refused for what it is nobody knows, and there is no time to find out.
      if (OutOfTime()) {
        one.to.status = Stops();
        End(one);
        continue;
      }
      // A producer that has broken down meanwhile takes nothing, and says so.
      Send(one);
      Await();
      any_taken = any_taken || one.error == RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    one.to.status = StatusOf(one);
    if (one.to.status.ok()) Place(one, ends);
    if (!one.to.status.ok()) End(one);
    if (absl::IsNotFound(one.to.status)) tells_.missing(one.to.status);
    ask_topic_ = ask_topic_ || absl::IsNotFound(one.to.status) || IsDenied(one.error);
  }
  if (any_taken) tells_.answered();
  if (!of_size) return;
  learnt_bytes_ = std::max<size_t>(bytes / 2, 1);
  learnt_of_ = limit_;
  tells_.batch_too_large();
}

// A broker that had a batch from before (of a try whose answer was lost) does not tell where: the records' offsets are counted from -1
// on. They are among what the log holds now.
void PushLane::Place(Flying& one, std::map<int32_t, StatusOr<int64_t>>& ends) {
  const int32_t partition = one.to.partition;
  const auto told = told_.find(partition);
  if (one.to.offset >= 0 && !ends.contains(partition) &&
      (told == told_.end() || one.to.offset > told->second)) {
    told_[partition] = one.to.offset;
    return;
  }
  auto end = ends.find(partition);
  if (end == ends.end()) end = ends.emplace(partition, AskEnd(partition)).first;
  if (!end->second.ok()) {
    one.to.status = end->second.status();
    return;
  }
  one.to.offset = *end->second - 1;
  one.to.is_exact = false;
}

StatusOr<int64_t> PushLane::AskEnd(int32_t partition) {
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  for (int i = 0; i < kAskEndTimes && !OutOfTime(); ++i) {
    int64_t low = 0, high = 0;
    error = rd_kafka_query_watermark_offsets(handle_.get(), topic_.c_str(), partition, &low, &high,
                                             kAskTimeoutMs);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    // A topic that was made anew counts from its beginning.
    told_[partition] = high - 1;
    return high;
  }
  return Unavailable("it is in the log, and the broker does not tell where: {}",
                     KafkaErrorText(error));
}

}  // namespace freshet
