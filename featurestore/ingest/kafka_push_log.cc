#include "featurestore/ingest/kafka_push_log.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <utility>

#include "featurestore/ingest/replay_window.h"

namespace freshet {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kPollMs = 20;
constexpr int kAskTimeoutMs = 1000;
constexpr milliseconds kAskEvery{5'000};       // as the live loop counts partitions
constexpr const char* kCountEveryMs = "5000";  // and the producer
constexpr milliseconds kAskSettingsEvery{30'000};
constexpr milliseconds kAskAgain{500};  // while something is amiss
constexpr milliseconds kFirstAnswer{2000};
// Of a record beside what is the pusher's: its own header and its batch's, rounded up.
constexpr size_t kRecordOverheadBytes = 512;

// Batches of these bytes; the first record of one is in it whatever it has, so that those of one byte are of one record.
constexpr size_t kAsConfigured = 0;
constexpr size_t kAlone = 1;

size_t SizeOption(rd_kafka_t* handle, const char* name) {
  std::array<char, 64> text{};
  size_t size = text.size();
  const rd_kafka_conf_t* const conf = rd_kafka_conf(handle);
  if (rd_kafka_conf_get(conf, name, text.data(), &size) != RD_KAFKA_CONF_OK) return 1'000'000;
  return std::strtoull(text.data(), nullptr, 10);
}

Status ChangesBatches(const std::string& topic) {
  return Unavailable("topic {}: it takes other batches than are on their way, which come first",
                     topic);
}

}  // namespace

KafkaPushLog::KafkaPushLog(KafkaPushLogOptions options) : options_(std::move(options)) {}

KafkaPushLog::~KafkaPushLog() { Stop(); }

StatusOr<std::unique_ptr<KafkaPushLog>> KafkaPushLog::Start(KafkaPushLogOptions options) {
  std::unique_ptr<KafkaPushLog> log(new KafkaPushLog(std::move(options)));
  {
    const std::lock_guard lock(log->mutex_);
    ASSIGN_OR_RETURN(rd_kafka_t* const producer, log->ProducerOf(kAsConfigured));
    log->batch_bytes_ = SizeOption(producer, "batch.size");
    const size_t message_max = SizeOption(producer, "message.max.bytes");
    log->record_bytes_max_ =
        message_max > kRecordOverheadBytes ? message_max - kRecordOverheadBytes : 0;
  }
  std::map<std::string, std::string> of_asking = log->options_.kafka_options;
  of_asking.erase("allow.auto.create.topics");
  ASSIGN_OR_RETURN(
      KafkaConf asking,
      MakeKafkaConf(log->options_.address.bootstrap,
                    {{"reconnect.backoff.ms", "100"}, {"reconnect.backoff.max.ms", "1000"}},
                    of_asking, {{"allow.auto.create.topics", "false"}}));
  ASSIGN_OR_RETURN(log->asks_, MakeKafkaHandle(RD_KAFKA_CONSUMER, std::move(asking)));
  KafkaPushLog* const self = log.get();
  log->watch_ = std::thread([self] { self->Watch(); });
  return log;
}

StatusOr<rd_kafka_t*> KafkaPushLog::ProducerOf(size_t batch_bytes) {
  Producer& producer = producers_[batch_bytes];
  if (producer.handle != nullptr) return producer.handle.get();
  std::map<std::string, std::string> wanted = options_.kafka_options;
  for (const char* other : {"message.timeout.ms", "delivery.timeout.ms"}) wanted.erase(other);
  KafkaSettingsList fixed = FixedReplaySettings();
  fixed.emplace_back("message.timeout.ms", "0");
  // A topic that is gone is for its operator to make, with the partitions that it should have.
  fixed.emplace_back("allow.auto.create.topics", "false");
  if (batch_bytes != kAsConfigured) {
    wanted.erase("batch.size");
    fixed.emplace_back("batch.size", fmt::format("{}", batch_bytes));
  }
  ASSIGN_OR_RETURN(KafkaConf conf,
                   MakeKafkaConf(options_.address.bootstrap,
                                 {{"linger.ms", "1"},
                                  {"reconnect.backoff.ms", "100"},
                                  {"reconnect.backoff.max.ms", "1000"},
                                  {"topic.metadata.refresh.interval.ms", kCountEveryMs},
                                  {"queue.buffering.max.messages", "1000000"},
                                  {"queue.buffering.max.kbytes", "262144"}},
                                 wanted, fixed));
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_dr_msg_cb(conf.get(), &KafkaPushLog::OnDelivery);
  rd_kafka_conf_set_error_cb(conf.get(), &KafkaPushLog::OnError);
  ASSIGN_OR_RETURN(producer.handle, MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf)));
  rd_kafka_t* const handle = producer.handle.get();
  producer.poll = std::jthread([handle](const std::stop_token& stop) {
    while (!stop.stop_requested()) rd_kafka_poll(handle, kPollMs);
  });
  return handle;
}

std::optional<uint64_t> KafkaPushLog::unapplied_bytes_max() const {
  if (!options_.address.is_mock) return std::nullopt;
  return ReplayWindow::kMaxBytes;  // the mock drops its oldest records, applied or not
}

// On the producer's poll thread.
void KafkaPushLog::OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& self = *static_cast<KafkaPushLog*>(opaque);
  const std::unique_ptr<OnItsWay> sent(static_cast<OnItsWay*>(message->_private));
  PushedTo to;
  to.partition = message->partition;
  const bool too_large = message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    to.offset = message->offset;
    const std::lock_guard lock(self.mutex_);
    self.away_ = OkStatus();
  } else if (too_large) {
    to.status = InvalidArgument("the broker refused it: {}", KafkaErrorText(message->err));
  } else {
    to.status = self.NotTaken(sent->batch->topic, message->err);
  }
  self.Told(sent->batch, sent->record, to, too_large);
}

Status KafkaPushLog::NotTaken(const std::string& topic, rd_kafka_resp_err_t error) {
  if (error != RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC &&
      error != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    return Unavailable("{}", KafkaErrorText(error));
  }
  Status missing = NotFound("the topic {} does not exist on the broker; create it", topic);
  const std::lock_guard lock(mutex_);
  if (const auto known = topics_.find(topic); known != topics_.end())
    known->second.status = missing;
  ask_now_ = true;
  wake_.notify_all();
  return missing;
}

void KafkaPushLog::Told(const std::shared_ptr<Sending>& sending, size_t record, const PushedTo& to,
                        bool too_large) {
  bool held = false, all_told = false;
  {
    const std::lock_guard lock(mutex_);
    Sent& sent = sent_[sending->topic];
    held = too_large && !sending->alone && !stopping_ &&
           !(sent.limit && sending->records[record].bytes() >= *sent.limit);
    if (held) sending->refused.emplace_back(record, to.partition);
    if (to.status.ok()) {
      size_t& last = sending->taken.try_emplace(to.partition, record).first->second;
      last = std::max(last, record);
      if (sending->alone) sent.next_batch_bytes = kAlone;
    }
    all_told = --sending->left == 0;
  }
  if (!held) Tell(*sending, record, to);
  if (all_told && !sending->refused.empty()) SendAlone(sending);
}

void KafkaPushLog::Tell(const Sending& sending, size_t record, const PushedTo& to) {
  sending.delivered(record, to);
  {
    const std::lock_guard lock(mutex_);
    Sent& sent = sent_[sending.topic];
    --sent.on_their_way;
    Switch(sent);
  }
  --on_their_way_;
}

void KafkaPushLog::Switch(Sent& sent) {
  if (sent.on_their_way > 0 || !sent.next_batch_bytes) return;
  sent.batch_bytes = *std::exchange(sent.next_batch_bytes, std::nullopt);
}

void KafkaPushLog::SendAlone(const std::shared_ptr<Sending>& sending) {
  std::vector<std::pair<size_t, int32_t>> late;
  std::vector<size_t> again;
  int32_t partitions = 0;
  StatusOr<rd_kafka_t*> producer = nullptr;
  {
    const std::lock_guard lock(mutex_);
    std::sort(sending->refused.begin(), sending->refused.end());
    for (const auto& [record, partition] : std::exchange(sending->refused, {})) {
      const auto taken = sending->taken.find(partition);
      if (taken != sending->taken.end() && taken->second > record) {
        late.emplace_back(record, partition);
      } else {
        again.push_back(record);
      }
    }
    sending->alone = true;
    sending->left = again.size();
    Sent& sent = sent_[sending->topic];
    if (!sent.next_batch_bytes) sent.next_batch_bytes = sent.batch_bytes;
    if (const auto known = topics_.find(sending->topic); known != topics_.end()) {
      partitions = known->second.partitions;
    }
    ask_settings_ = ask_now_ = true;
    wake_.notify_all();
    if (stopping_) {
      producer = Unavailable("the server stops");
    } else {
      producer = ProducerOf(kAlone);
    }
  }
  for (const auto& [record, partition] : late) {
    Tell(*sending, record,
         {InvalidArgument("topic {} refused the batch it was sent in as too large, and later ones "
                          "of the call are in the log already; send it by itself, under another "
                          "producer id",
                          sending->topic),
          partition, 0});
  }
  Produce(producer, sending, again, partitions);
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

// Knows of each topic how many partitions it has, so that no caller waits for a broker that is away, and how large a batch it takes.
void KafkaPushLog::Watch() {
  std::unique_lock lock(mutex_);
  steady_clock::time_point next_settings;
  while (!stopping_) {
    bool amiss = false;
    ask_now_ = false;
    if (std::exchange(ask_settings_, false)) next_settings = {};
    const bool with_settings = steady_clock::now() >= next_settings;
    if (with_settings) next_settings = steady_clock::now() + kAskSettingsEvery;
    const std::set<std::string> asked = wanted_;
    for (const std::string& topic : asked) {
      if (stopping_) return;
      lock.unlock();
      const auto partitions = TopicPartitions(asks_.get(), topic, kAskTimeoutMs);
      lock.lock();
      const bool is_new = !topics_.contains(topic);
      if (partitions.ok() && (with_settings || is_new)) AskLimit(lock, topic);
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
    const auto is_due = [&] { return wanted_ != asked || ask_now_ || (!amiss && !away_.ok()); };
    wake_.wait_until(lock, until, [&] { return stopping_ || is_due(); });
    if (!stopping_ && wanted_ == asked && is_due()) wake_.wait_for(lock, kAskAgain);
  }
}

void KafkaPushLog::AskLimit(std::unique_lock<std::mutex>& lock, const std::string& topic) {
  if (options_.address.is_mock) return;
  lock.unlock();
  const auto limit = AskMaxMessageBytes(asks_.get(), topic, kAskTimeoutMs);
  lock.lock();
  Sent& sent = sent_[topic];
  // Who may not ask learns it when the first batch is refused.
  if (!limit.ok()) return;
  sent.limit = *limit;
  const size_t wanted = *sent.limit < batch_bytes_ ? *sent.limit : kAsConfigured;
  if (wanted != sent.batch_bytes || sent.next_batch_bytes) sent.next_batch_bytes = wanted;
  Switch(sent);
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
  RETURN_IF_ERROR(found->second.status);
  const auto sent = sent_.find(source.topic);
  return sent != sent_.end() && sent->second.next_batch_bytes ? ChangesBatches(source.topic)
                                                              : OkStatus();
}

Status KafkaPushLog::ProduceOne(rd_kafka_t* producer, const std::string& topic,
                                const PushRecord& record, int32_t partitions,
                                std::unique_ptr<OnItsWay>& on_its_way) {
  const bool spread = !record.key && !record.spread_by.empty();
  if (spread && partitions == 0) {
    return Unavailable("topic {}: how many partitions it has is not known yet", topic);
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
      producer, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, value_size),
      RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_TIMESTAMP(time_ms), RD_KAFKA_V_HEADERS(headers),
      RD_KAFKA_V_OPAQUE(on_its_way.get()), RD_KAFKA_V_END);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    (void)on_its_way.release();  // OnDelivery takes it
    return OkStatus();
  }
  if (headers != nullptr) rd_kafka_headers_destroy(headers);
  return NotTaken(topic, error);
}

void KafkaPushLog::Produce(const StatusOr<rd_kafka_t*>& producer,
                           const std::shared_ptr<Sending>& sending,
                           const std::vector<size_t>& records, int32_t partitions) {
  Status failed = producer.status();
  for (const size_t record : records) {
    auto on_its_way = std::make_unique<OnItsWay>(OnItsWay{sending, record});
    // What follows one that could not be taken would overtake it once that is sent again.
    if (failed.ok()) {
      failed =
          ProduceOne(*producer, sending->topic, sending->records[record], partitions, on_its_way);
    }
    if (!failed.ok()) Told(sending, record, PushedTo{failed, 0, 0}, /*too_large=*/false);
  }
}

void KafkaPushLog::Append(const Source& source, std::vector<PushRecord> records,
                          Delivered delivered) {
  if (records.empty()) return;
  const auto sending = std::make_shared<Sending>();
  sending->delivered = std::move(delivered);
  sending->topic = source.topic;
  sending->left = records.size();
  sending->records = std::move(records);
  int32_t partitions = 0;
  StatusOr<rd_kafka_t*> producer = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto found = topics_.find(source.topic);
    if (found != topics_.end()) partitions = found->second.partitions;
    // Counted before Stop looks, so that it waits for them.
    on_their_way_ += sending->records.size();
    Sent& sent = sent_[source.topic];
    if (stopping_) {
      producer = Unavailable("the server stops");
    } else if (sent.next_batch_bytes) {
      producer = ChangesBatches(source.topic);
    } else {
      producer = ProducerOf(sent.batch_bytes);
    }
    sent.on_their_way += sending->records.size();
  }
  std::vector<size_t> all(sending->records.size());
  std::iota(all.begin(), all.end(), size_t{0});
  Produce(producer, sending, all, partitions);
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
  wait_until(steady_clock::now() + std::chrono::microseconds(options_.stop_within.us));
  // None is added from here on.
  for (auto& [batch_bytes, producer] : producers_) {
    if (producer.handle == nullptr) continue;
    rd_kafka_purge(producer.handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  }
  wait_until(steady_clock::now() + std::chrono::seconds(5));
  for (auto& [batch_bytes, producer] : producers_) {
    if (!producer.poll.joinable()) continue;
    producer.poll.request_stop();
    producer.poll.join();
  }
}

}  // namespace freshet
