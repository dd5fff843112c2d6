#include "featurestore/ingest/kafka_push_log.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <optional>

#include "featurestore/ingest/replay_window.h"

namespace freshet {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kPollMs = 20;
constexpr int kAskTimeoutMs = 1000;
constexpr milliseconds kAskEvery{30'000};
constexpr milliseconds kAskAgain{500};  // while something is amiss
constexpr milliseconds kFirstAnswer{2000};
// Of a record beside what is the pusher's: its own header and its batch's, rounded up.
constexpr size_t kRecordOverheadBytes = 512;

size_t MessageBytesMax(rd_kafka_t* handle) {
  std::array<char, 64> text{};
  size_t size = text.size();
  const rd_kafka_conf_t* const conf = rd_kafka_conf(handle);
  if (rd_kafka_conf_get(conf, "message.max.bytes", text.data(), &size) != RD_KAFKA_CONF_OK) {
    return 1'000'000;
  }
  return std::strtoull(text.data(), nullptr, 10);
}

}  // namespace

KafkaPushLog::KafkaPushLog(KafkaPushLogOptions options) : options_(std::move(options)) {}

KafkaPushLog::~KafkaPushLog() { Stop(); }

StatusOr<std::unique_ptr<KafkaPushLog>> KafkaPushLog::Start(KafkaPushLogOptions options) {
  std::unique_ptr<KafkaPushLog> log(new KafkaPushLog(std::move(options)));
  std::map<std::string, std::string> wanted = log->options_.kafka_options;
  for (const char* expiry : {"message.timeout.ms", "delivery.timeout.ms"}) wanted.erase(expiry);
  KafkaSettingsList fixed = FixedReplaySettings();
  fixed.emplace_back("message.timeout.ms", "0");
  ASSIGN_OR_RETURN(KafkaConf conf, MakeKafkaConf(log->options_.address.bootstrap,
                                                 {{"linger.ms", "1"},
                                                  {"reconnect.backoff.ms", "100"},
                                                  {"reconnect.backoff.max.ms", "1000"},
                                                  {"queue.buffering.max.messages", "1000000"},
                                                  {"queue.buffering.max.kbytes", "262144"}},
                                                 wanted, fixed));
  rd_kafka_conf_set_opaque(conf.get(), log.get());
  rd_kafka_conf_set_dr_msg_cb(conf.get(), &KafkaPushLog::OnDelivery);
  rd_kafka_conf_set_error_cb(conf.get(), &KafkaPushLog::OnError);
  ASSIGN_OR_RETURN(log->handle_, MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf)));
  std::map<std::string, std::string> of_asking = log->options_.kafka_options;
  of_asking.erase("allow.auto.create.topics");
  ASSIGN_OR_RETURN(
      KafkaConf asking,
      MakeKafkaConf(log->options_.address.bootstrap,
                    {{"reconnect.backoff.ms", "100"}, {"reconnect.backoff.max.ms", "1000"}},
                    of_asking, {{"allow.auto.create.topics", "false"}}));
  ASSIGN_OR_RETURN(log->asks_, MakeKafkaHandle(RD_KAFKA_CONSUMER, std::move(asking)));
  const size_t message_max = MessageBytesMax(log->handle_.get());
  log->record_bytes_max_ =
      message_max > kRecordOverheadBytes ? message_max - kRecordOverheadBytes : 0;
  KafkaPushLog* const self = log.get();
  log->poll_ = std::jthread([self](const std::stop_token& stop) {
    while (!stop.stop_requested()) rd_kafka_poll(self->handle_.get(), kPollMs);
  });
  log->watch_ = std::thread([self] { self->Watch(); });
  return log;
}

std::optional<uint64_t> KafkaPushLog::unapplied_bytes_max() const {
  if (!options_.address.is_mock) return std::nullopt;
  return ReplayWindow::kMaxBytes;  // the mock drops its oldest records, applied or not
}

// On the poll thread.
void KafkaPushLog::OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& self = *static_cast<KafkaPushLog*>(opaque);
  const std::unique_ptr<OnItsWay> sent(static_cast<OnItsWay*>(message->_private));
  PushedTo to;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    to.partition = message->partition;
    to.offset = message->offset;
    const std::lock_guard lock(self.mutex_);
    self.away_ = OkStatus();
  } else if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
    to.status = InvalidArgument("the broker refused it: {}", KafkaErrorText(message->err));
  } else {
    to.status = Unavailable("{}", KafkaErrorText(message->err));
  }
  sent->batch->delivered(sent->record, to);
  --self.on_their_way_;
}

void KafkaPushLog::OnError(rd_kafka_t*, int error, const char* reason, void* opaque) {
  auto& self = *static_cast<KafkaPushLog*>(opaque);
  if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && error != RD_KAFKA_RESP_ERR__FATAL) return;
  const std::lock_guard lock(self.mutex_);
  self.away_ = Unavailable("brokers {}: {}", self.options_.address.bootstrap, reason);
  self.wake_.notify_all();
}

void KafkaPushLog::Serve(const Catalog& catalog) {
  const std::lock_guard lock(mutex_);
  wanted_.insert(catalog.kafka.dead_letters);
  for (const Source& source : catalog.sources) wanted_.insert(source.topic);
  wake_.notify_all();
}

// Knows of each topic how many partitions it has, so that no caller waits for a broker that is away.
void KafkaPushLog::Watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    bool amiss = false;
    const std::set<std::string> asked = wanted_;
    for (const std::string& topic : asked) {
      if (stopping_) return;
      lock.unlock();
      const auto partitions = TopicPartitions(asks_.get(), topic, kAskTimeoutMs);
      lock.lock();
      Topic& known = topics_[topic];
      known.status = partitions.status();
      away_ = OkStatus();
      if (partitions.ok()) {
        known.partitions = *partitions;
      } else if (absl::IsUnavailable(partitions.status())) {
        away_ = Unavailable("brokers {}: {}", options_.address.bootstrap,
                            MessageOf(partitions.status()));
      } else if (absl::IsFailedPrecondition(partitions.status())) {
        known.status = Unavailable("{}", MessageOf(partitions.status()));
      }
      amiss = amiss || !partitions.ok();
      asked_.notify_all();
    }
    const auto until = steady_clock::now() + (amiss ? kAskAgain : kAskEvery);
    wake_.wait_until(lock, until,
                     [&] { return stopping_ || wanted_ != asked || (!amiss && !away_.ok()); });
    if (!stopping_ && wanted_ == asked && !amiss && !away_.ok()) wake_.wait_for(lock, kAskAgain);
  }
}

Status KafkaPushLog::Ready(const Source& source) {
  std::unique_lock lock(mutex_);
  // Nothing was asked yet in the first moment of a server.
  asked_.wait_for(lock, kFirstAnswer,
                  [&] { return stopping_ || topics_.contains(source.topic) || !away_.ok(); });
  if (stopping_) return Unavailable("the server stops");
  RETURN_IF_ERROR(away_);
  const auto found = topics_.find(source.topic);
  if (found == topics_.end()) {
    return Unavailable("brokers {} have not answered yet", options_.address.bootstrap);
  }
  return found->second.status;
}

Status KafkaPushLog::Produce(const Source& source, const PushRecord& record, int32_t partitions,
                             std::unique_ptr<OnItsWay>& on_its_way) {
  const bool spread = !record.key && !record.spread_by.empty();
  if (spread && partitions == 0) {
    return Unavailable("topic {}: how many partitions it has is not known yet", source.topic);
  }
  rd_kafka_headers_t* headers = nullptr;
  if (!record.headers.empty()) {
    headers = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers) {
      rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                          static_cast<ssize_t>(value.size()));
    }
  }
  int32_t partition = RD_KAFKA_PARTITION_UA;
  if (spread) {
    partition = rd_kafka_msg_partitioner_murmur2(
        nullptr, record.spread_by.data(), record.spread_by.size(), partitions, nullptr, nullptr);
  }
  void* const value = record.value ? const_cast<char*>(record.value->data()) : nullptr;
  const size_t value_size = record.value ? record.value->size() : 0;
  const void* const key = record.key ? record.key->data() : nullptr;
  const size_t key_size = record.key ? record.key->size() : 0;
  const int64_t time_ms = record.time ? record.time->us / 1000 : 0;  // 0: now
  const auto error = rd_kafka_producev(
      handle_.get(), RD_KAFKA_V_TOPIC(source.topic.c_str()), RD_KAFKA_V_PARTITION(partition),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, value_size),
      RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_TIMESTAMP(time_ms), RD_KAFKA_V_HEADERS(headers),
      RD_KAFKA_V_OPAQUE(on_its_way.get()), RD_KAFKA_V_END);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    (void)on_its_way.release();  // OnDelivery takes it
    return OkStatus();
  }
  if (headers != nullptr) rd_kafka_headers_destroy(headers);
  return Unavailable("{}", KafkaErrorText(error));
}

void KafkaPushLog::Append(const Source& source, std::vector<PushRecord> records,
                          Delivered delivered) {
  int32_t partitions = 0;
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    stopping = stopping_;
    const auto found = topics_.find(source.topic);
    if (found != topics_.end()) partitions = found->second.partitions;
    // Counted before Stop looks, so that it waits for them.
    if (!stopping) on_their_way_ += records.size();
  }
  const auto batch = std::make_shared<Batch>(Batch{std::move(delivered)});
  Status failed = stopping ? Unavailable("the server stops") : OkStatus();
  for (size_t i = 0; i < records.size(); ++i) {
    auto on_its_way = std::make_unique<OnItsWay>(OnItsWay{batch, i});
    // What follows one that could not be taken would overtake it once that is sent again.
    if (failed.ok()) failed = Produce(source, records[i], partitions, on_its_way);
    if (failed.ok()) continue;
    batch->delivered(i, PushedTo{failed, 0, 0});
    if (!stopping) --on_their_way_;
  }
}

void KafkaPushLog::Stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  wake_.notify_all();
  asked_.notify_all();
  if (watch_.joinable()) watch_.join();
  const auto wait_until = [this](steady_clock::time_point until) {
    while (on_their_way_ > 0 && steady_clock::now() < until) {
      std::this_thread::sleep_for(milliseconds(5));
    }
  };
  if (handle_ == nullptr) return;
  wait_until(steady_clock::now() + std::chrono::microseconds(options_.stop_within.us));
  rd_kafka_purge(handle_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  wait_until(steady_clock::now() + std::chrono::seconds(5));
  if (poll_.joinable()) {
    poll_.request_stop();
    poll_.join();
  }
}

}  // namespace freshet
