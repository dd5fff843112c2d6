#include "featurestore/ingest/dead_letter_relay.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "featurestore/ingest/log_source.h"
#include "featurestore/ingest/push_refusals.h"

namespace freshet {
namespace {

// So many are on their way at once: each round waits for the broker, and a source of which one record in ten is malformed must not.
constexpr size_t kAtOnce = 4096;
constexpr uint64_t kBytesAtOnce = 4 << 20;
constexpr auto kIdleWait = std::chrono::milliseconds(200);
constexpr auto kErrorWait = std::chrono::seconds(1);
constexpr int kPollMs = 20;
// Of a record beside key, value and headers: its own and its batch's, rounded up.
constexpr size_t kRecordOverheadBytes = 512;
constexpr size_t kHeaderBytesMax = 4096;

// Of a letter without its value and with little of its key and detail.
constexpr size_t kLeastBytes = 512;

std::string_view Cut(std::string_view text, size_t bytes) { return text.substr(0, bytes); }

// What a record on its way is known by.
struct OnItsWay {
  Coordinates at;
  size_t index = 0;
};

// Owned by librdkafka from a successful producev on.
struct Headers {
  rd_kafka_headers_t* list = rd_kafka_headers_new(12);
  size_t bytes = 0;
  void Add(const char* name, std::string_view value) {
    rd_kafka_header_add(list, name, -1, value.data(), static_cast<ssize_t>(value.size()));
    bytes += std::string_view(name).size() + value.size() + 10;
  }
};

}  // namespace

DeadLetterRelay::DeadLetterRelay(DeadLetterRelayOptions options, Store& store, Log& log)
    : options_(std::move(options)), topics_(options_.topics), store_(store), log_(log) {}

StatusOr<std::unique_ptr<DeadLetterRelay>> DeadLetterRelay::Start(DeadLetterRelayOptions options,
                                                                  Store& store, Log& log) {
  std::unique_ptr<DeadLetterRelay> relay(new DeadLetterRelay(std::move(options), store, log));
  ASSIGN_OR_RETURN(KafkaConf conf, MakeKafkaConf(relay->options_.bootstrap,
                                                 {{"linger.ms", "5"},
                                                  {"message.timeout.ms", "5000"},
                                                  {"reconnect.backoff.max.ms", "2000"},
                                                  {"partitioner", "murmur2_random"}},
                                                 relay->options_.kafka_options, {{"acks", "all"}}));
  rd_kafka_conf_set_opaque(conf.get(), relay.get());
  rd_kafka_conf_set_dr_msg_cb(conf.get(), &DeadLetterRelay::OnDelivery);
  std::array<char, 32> size{};
  size_t length = size.size();
  if (rd_kafka_conf_get(conf.get(), "message.max.bytes", size.data(), &length) ==
      RD_KAFKA_CONF_OK) {
    relay->message_max_bytes_ = std::strtoull(size.data(), nullptr, 10);
  }
  ASSIGN_OR_RETURN(relay->handle_, MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf)));
  relay->thread_ = std::jthread([r = relay.get()](const std::stop_token& stop) { r->Run(stop); });
  return relay;
}

DeadLetterRelay::~DeadLetterRelay() { Stop(); }

void DeadLetterRelay::SetTopic(const std::string& source, const std::string& topic) {
  const std::lock_guard lock(mutex_);
  topics_[source] = topic;
}

std::string DeadLetterRelay::TopicOf(const std::string& source) {
  const std::lock_guard lock(mutex_);
  const auto topic = topics_.find(source);
  return topic == topics_.end() ? std::string() : topic->second;
}

void DeadLetterRelay::Wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  wake_.notify_all();
}

void DeadLetterRelay::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

// Runs inside rd_kafka_poll, on the relay's thread.
void DeadLetterRelay::OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& self = *static_cast<DeadLetterRelay*>(opaque);
  const std::unique_ptr<OnItsWay> sent(static_cast<OnItsWay*>(message->_private));
  --self.flying_;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    self.delivered_.push_back(sent->at);
  } else if (IsOfOneRecord(message->err)) {
    self.refused_.push_back(sent->index);
    self.refusal_ = message->err;
  } else {
    self.last_error_ = KafkaErrorText(message->err);
  }
}

void DeadLetterRelay::Run(const std::stop_token& stop) {
  bool failing = false;
  while (!stop.stop_requested()) {
    bool more = false;
    Status failed;
    if (store_.dead_letter_bytes() > 0) {
      const auto relayed = RelayAll(stop);
      failed = relayed.status();
      more = relayed.ok() && *relayed;
    }
    if (!failed.ok() && !failing) {
      log_.Warn("dead_letters_waiting", MessageOf(failed), {{"topic", options_.topic}});
    } else if (failed.ok() && failing) {
      log_.Info("dead_letters_delivered", "dead letters are delivered again",
                {{"topic", options_.topic}});
    }
    failing = !failed.ok();
    if (more && !failing) continue;
    std::unique_lock lock(mutex_);
    if (failing) {
      wake_.wait_for(lock, stop, kErrorWait, [] { return false; });
    } else {
      wake_.wait_for(lock, stop, kIdleWait, [this] { return woken_; });
    }
    woken_ = false;
  }
}

// Also of sources that are no longer declared: what they left would fill the outbox for ever.
StatusOr<bool> DeadLetterRelay::RelayAll(const std::stop_token& stop) {
  ASSIGN_OR_RETURN(const std::vector<std::string> sources, store_.DeadLetterSources());
  bool more = false;
  Status failed;
  for (const std::string& source : sources) {
    const auto relayed = RelaySome(source, TopicOf(source), stop);
    if (!relayed.ok()) {
      failed = relayed.status();
    } else {
      more = more || *relayed;
    }
  }
  RETURN_IF_ERROR(failed);
  return more;
}

StatusOr<bool> DeadLetterRelay::RelaySome(const std::string& source, const std::string& topic,
                                          const std::stop_token& stop) {
  RETURN_IF_ERROR(Remove(source));
  ASSIGN_OR_RETURN(const auto letters, store_.ReadDeadLetters(source, kAtOnce, kBytesAtOnce));
  last_error_.clear();
  refused_.clear();
  Status failed;
  for (size_t i = 0; i < letters.size() && failed.ok(); ++i) {
    failed = Produce(source, topic, letters[i], message_max_bytes_, i);
  }
  Await(stop);
  for (const size_t i : std::exchange(refused_, {})) {
    if (stop.stop_requested()) break;
    Status cut = ProduceCut(source, topic, letters[i], stop);
    if (failed.ok()) failed = std::move(cut);
  }
  RETURN_IF_ERROR(Remove(source));
  RETURN_IF_ERROR(failed);
  if (!last_error_.empty()) {
    return Unavailable("dead letters of source {} cannot be delivered to topic {}: {}", source,
                       options_.topic, last_error_);
  }
  return !letters.empty();
}

Status DeadLetterRelay::Remove(const std::string& source) {
  std::vector<Coordinates>& delivered = unremoved_[source];
  delivered.insert(delivered.end(), delivered_.begin(), delivered_.end());
  delivered_.clear();
  RETURN_IF_ERROR(store_.RemoveDeadLetters(source, delivered));
  unremoved_.erase(source);
  return OkStatus();
}

void DeadLetterRelay::Await(const std::stop_token& stop) {
  // message.timeout.ms bounds this; at a stop what is not delivered within a moment stays in the store, and is sent again.
  const auto stopping_until = [&]() -> std::optional<std::chrono::steady_clock::time_point> {
    if (!stop.stop_requested()) return std::nullopt;
    return std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  };
  std::optional<std::chrono::steady_clock::time_point> until;
  while (flying_ > 0) {
    rd_kafka_poll(handle_.get(), kPollMs);
    if (!until) until = stopping_until();
    if (until && std::chrono::steady_clock::now() > *until) {
      rd_kafka_purge(handle_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
  }
}

// A broker refuses a whole batch for its size or for one of its records: alone it may be taken as it is.
Status DeadLetterRelay::ProduceCut(const std::string& source, const std::string& topic,
                                   const Store::StoredDeadLetter& stored,
                                   const std::stop_token& stop) {
  const DeadLetter& letter = stored.letter;
  const size_t whole = (letter.value ? letter.value->size() : 0) +
                       std::min(letter.key ? letter.key->size() : 0, kHeaderBytesMax) +
                       std::min(letter.detail.size(), kHeaderBytesMax) + 2 * kRecordOverheadBytes;
  size_t bytes = message_max_bytes_;
  for (; bytes >= kLeastBytes; bytes = std::min(bytes, whole) / 2) {
    RETURN_IF_ERROR(Produce(source, topic, stored, bytes, 0));
    Await(stop);
    if (refused_.empty()) return OkStatus();  // delivered, or last_error_ says why not
    refused_.clear();
    // Less of it would be refused as well.
    if (!IsOfSize(refusal_)) {
      return Unavailable("the dead letter {}/{}/{}/{} cannot be delivered, and stays: topic {}: {}",
                         source, stored.at.incarnation, stored.at.partition, stored.at.offset,
                         options_.topic, RefusalText(refusal_));
    }
  }
  return Unavailable(
      "the dead letter {}/{}/{}/{} cannot be delivered: topic {} takes less than {} bytes; raise "
      "its max.message.bytes",
      source, stored.at.incarnation, stored.at.partition, stored.at.offset, options_.topic,
      2 * bytes + 2);
}

Status DeadLetterRelay::Produce(const std::string& source, const std::string& topic,
                                const Store::StoredDeadLetter& stored, size_t bytes, size_t index) {
  const Coordinates& at = stored.at;
  const DeadLetter& letter = stored.letter;
  const std::string key =
      fmt::format("{}/{}/{}/{}", source, at.incarnation, at.partition, at.offset);
  const size_t header_bytes = std::min(kHeaderBytesMax, bytes / 8);
  Headers headers;
  headers.Add("reason", letter.reason);
  headers.Add("detail", Cut(letter.detail, header_bytes));
  headers.Add("source", source);
  if (!topic.empty()) headers.Add("topic", topic);
  headers.Add("incarnation", fmt::format("{}", at.incarnation));
  headers.Add("partition", fmt::format("{}", at.partition));
  headers.Add("offset", fmt::format("{}", at.offset));
  if (letter.record_time_us != kNoRecordTime.us)
    headers.Add("timestamp_us", fmt::format("{}", letter.record_time_us));
  if (letter.key) headers.Add("key", Cut(*letter.key, header_bytes));
  if (letter.key && letter.key->size() > header_bytes) {
    headers.Add("key_bytes", fmt::format("{}", letter.key->size()));
  }
  std::string_view value = letter.value ? std::string_view(*letter.value) : std::string_view();
  const size_t beside = key.size() + headers.bytes + kRecordOverheadBytes;
  const size_t room = bytes > beside ? bytes - beside : 0;
  if (value.size() > room) {
    headers.Add("value_bytes", fmt::format("{}", value.size()));
    value = Cut(value, room);
  }
  // A tombstone stays one.
  void* const payload = letter.value ? const_cast<char*>(value.data()) : nullptr;
  auto opaque = std::make_unique<OnItsWay>(OnItsWay{at, index});
  const auto error = rd_kafka_producev(
      handle_.get(), RD_KAFKA_V_TOPIC(options_.topic.c_str()),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key.data(), key.size()),
      RD_KAFKA_V_VALUE(payload, value.size()), RD_KAFKA_V_HEADERS(headers.list),
      RD_KAFKA_V_OPAQUE(opaque.get()), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_headers_destroy(headers.list);
    return Unavailable("the dead letter {} cannot be sent to topic {}: {}", key, options_.topic,
                       KafkaErrorText(error));
  }
  (void)opaque.release();  // OnDelivery takes it
  ++flying_;
  return OkStatus();
}

}  // namespace freshet
