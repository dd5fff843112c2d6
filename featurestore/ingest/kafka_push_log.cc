#include "featurestore/ingest/kafka_push_log.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <utility>

#include "featurestore/ingest/replay_window.h"

namespace freshet {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kAskTimeoutMs = 1000;
constexpr milliseconds kAskEvery{5'000};  // as the live loop counts partitions
constexpr milliseconds kAskSettingsEvery{30'000};
constexpr milliseconds kAskAgain{500};  // while something is amiss
constexpr milliseconds kFirstAnswer{2000};
// Of a record beside what is the pusher's: its own header and its batch's, rounded up.
constexpr size_t kRecordOverheadBytes = 512;

size_t MessageMax(const rd_kafka_conf_t* conf) {
  std::array<char, 64> text{};
  size_t size = text.size();
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
  {
    ASSIGN_OR_RETURN(KafkaConf conf, PushLane::ProducerConf({log->options_.address.bootstrap,
                                                             log->options_.kafka_options}));
    const size_t message_max = MessageMax(conf.get());
    log->record_bytes_max_ =
        message_max > kRecordOverheadBytes ? message_max - kRecordOverheadBytes : 0;
    // Options that librdkafka refuses are refused now, and not by the first push.
    RETURN_IF_ERROR(MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf)).status());
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

std::optional<uint64_t> KafkaPushLog::unapplied_bytes_max() const {
  if (!options_.address.is_mock) return std::nullopt;
  return ReplayWindow::kMaxBytes;  // the mock drops its oldest records, applied or not
}

PushLane& KafkaPushLog::LaneOf(const std::string& topic) {
  std::unique_ptr<PushLane>& lane = lanes_[topic];
  if (lane != nullptr) return *lane;
  PushLaneTells tells;
  tells.missing = [this, topic](const Status& status) { Missing(topic, status); };
  tells.batch_too_large = [this] {
    const std::lock_guard lock(mutex_);
    ask_settings_ = ask_now_ = true;
    wake_.notify_all();
  };
  tells.away = [this](const char* reason) {
    const std::lock_guard lock(mutex_);
    away_ = Unavailable("brokers {}: {}", options_.address.bootstrap, reason);
    wake_.notify_all();
  };
  tells.answered = [this] {
    const std::lock_guard lock(mutex_);
    away_ = OkStatus();
  };
  lane = std::make_unique<PushLane>(
      topic, PushLaneOptions{options_.address.bootstrap, options_.kafka_options}, std::move(tells));
  if (const auto known = topics_.find(topic); known != topics_.end()) {
    lane->SetPartitions(known->second.partitions);
    lane->SetLimit(known->second.limit);
  }
  return *lane;
}

void KafkaPushLog::Missing(const std::string& topic, const Status& status) {
  const std::lock_guard lock(mutex_);
  if (const auto known = topics_.find(topic); known != topics_.end()) {
    known->second.status = status;
  }
  ask_now_ = true;
  wake_.notify_all();
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
        if (const auto lane = lanes_.find(topic); lane != lanes_.end()) {
          lane->second->SetPartitions(*partitions);
        }
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
  // Who may not ask learns it when a batch is refused.
  if (!limit.ok()) return;
  topics_[topic].limit = *limit;
  if (const auto lane = lanes_.find(topic); lane != lanes_.end()) lane->second->SetLimit(*limit);
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

void KafkaPushLog::Append(const Source& source, std::vector<PushRecord> records,
                          Delivered delivered) {
  Status failed;
  {
    const std::lock_guard lock(mutex_);
    const auto found = topics_.find(source.topic);
    const bool is_known = found != topics_.end() && found->second.partitions > 0;
    const bool any_spread = std::any_of(records.begin(), records.end(), [](const PushRecord& one) {
      return !one.key && !one.spread_by.empty();
    });
    if (stopping_) {
      failed = Unavailable("the server stops");
    } else if (any_spread && !is_known) {
      failed = Unavailable("topic {}: how many partitions it has is not known yet", source.topic);
    } else if (!records.empty()) {
      LaneOf(source.topic).Append(std::move(records), std::move(delivered));
      return;
    }
  }
  for (size_t i = 0; i < records.size(); ++i) delivered(i, {failed});
}

void KafkaPushLog::BreakForTest(const std::string& topic, rd_kafka_resp_err_t error) {
  const std::lock_guard lock(mutex_);
  LaneOf(topic).BreakForTest(error);
}

void KafkaPushLog::Stop() {
  const auto until = steady_clock::now() + std::chrono::microseconds(options_.stop_within.us);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  wake_.notify_all();
  asked_.notify_all();
  // No lane is made from here on. Each is told before any is waited for.
  for (const auto& [topic, lane] : lanes_) lane->BeginStop(until);
  for (const auto& [topic, lane] : lanes_) lane->Stop();
  if (watch_.joinable()) watch_.join();
}

}  // namespace freshet
