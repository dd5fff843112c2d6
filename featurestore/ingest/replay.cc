#include "featurestore/ingest/replay.h"

#include <chrono>
#include <thread>

#include "featurestore/ingest/kafka_client.h"
#include "featurestore/ingest/key_text.h"
#include "featurestore/ingest/line_file.h"
#include "featurestore/ingest/replay_window.h"

namespace freshet {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kAskEvery = milliseconds(10);  // how far the server is
constexpr auto kProgressEvery = milliseconds(100);
constexpr auto kBrokerAskFor = std::chrono::seconds(1);
constexpr auto kBrokerAwayMax = std::chrono::seconds(10);
constexpr auto kServerAwayMax = std::chrono::seconds(60);

// Produces within the window that the mock allows. Used by one thread; librdkafka calls OnDelivery from Poll only.
class Replayer {
 public:
  Replayer(const Source& source, const LogAddress& address, const ReplayOptions& options)
      : source_(source), address_(address), options_(options), key_text_(source) {}

  Status Open(const std::map<std::string, std::string>& kafka_options) {
    ASSIGN_OR_RETURN(KafkaConf conf, MakeKafkaConf(address_.bootstrap,
                                                   {{"linger.ms", "5"},
                                                    {"batch.size", "131072"},
                                                    {"message.timeout.ms", "60000"},
                                                    {"queue.buffering.max.messages", "200000"}},
                                                   kafka_options, FixedReplaySettings()));
    rd_kafka_conf_set_opaque(conf.get(), this);
    rd_kafka_conf_set_dr_msg_cb(conf.get(), &Replayer::OnDelivery);
    ASSIGN_OR_RETURN(handle_, MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf)));
    const Status found = AwaitTopic();
    if (found.ok() || cancelled()) return OkStatus();
    return MakeStatus(found.code(), "replay to {}, brokers {}: {}", source_.topic,
                      address_.bootstrap, MessageOf(found));
  }

  StatusOr<ReplayResult> Run() {
    ASSIGN_OR_RETURN(LineFile file, LineFile::Open(options_.file));
    const auto start = SteadyClock::now();
    uint64_t events = 0;
    std::string_view line;
    while (!cancelled()) {
      ASSIGN_OR_RETURN(const bool more, file.Next(line));
      if (!more) break;
      if (line.empty()) continue;
      if (options_.rate > 0) Pace(start, events);
      ASSIGN_OR_RETURN(const Record record, RecordOf(line, events + 1));
      RETURN_IF_ERROR(Produce(record));
      ++events;
      Report(events, file, false);
      RETURN_IF_ERROR(failure_);
    }
    RETURN_IF_ERROR(FlushAll());
    if (options_.wait) RETURN_IF_ERROR(WaitApplied());
    Report(events, file, true);
    const std::chrono::duration<double> took = SteadyClock::now() - start;
    return ReplayResult{events, took.count(), window_.Ends()};
  }

 private:
  Status AwaitTopic() {
    const auto give_up = SteadyClock::now() + kBrokerAwayMax;
    for (bool said = false;; said = true) {
      const auto begin = SteadyClock::now();
      const auto partitions = TopicPartitions(
          handle_.get(), source_.topic, static_cast<int>(milliseconds(kBrokerAskFor).count()));
      const bool waits = absl::IsUnavailable(partitions.status()) ||
                         absl::IsFailedPrecondition(partitions.status());
      if (!waits || SteadyClock::now() >= give_up) return partitions.status();
      if (!said && options_.waiting) options_.waiting(std::string(MessageOf(partitions.status())));
      // A broker that answers at once, but has not made the topic yet, is not asked all the time.
      while (SteadyClock::now() < begin + kBrokerAskFor && !cancelled())
        rd_kafka_poll(handle_.get(), 50);
      if (cancelled()) return partitions.status();
    }
  }

  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    static_cast<Replayer*>(opaque)->Delivered(*message);
  }

  void Delivered(const rd_kafka_message_t& message) {
    const uint64_t bytes = SizeOf(message.len, message.key_len);
    window_.Delivered(message.partition, message.offset, bytes);
    // A real broker keeps what is not applied: nothing to hold back, nothing to remember.
    if (!address_.is_mock) window_.Applied(message.partition, message.offset + 1);
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR && failure_.ok()) {
      failure_ = Unavailable("replay to {}, brokers {}: a record was not taken: {}", source_.topic,
                             address_.bootstrap, KafkaErrorText(message.err));
    }
  }

  static uint64_t SizeOf(size_t value, size_t key) {
    return value + key + ReplayWindow::kRecordOverheadBytes;
  }

  struct Record {
    std::optional<std::string> key;
    std::optional<std::string_view> value;  // none: a tombstone
  };

  StatusOr<Record> RecordOf(std::string_view line, uint64_t number) {
    const std::string& separator = options_.key_separator;
    if (separator.empty()) return Record{key_text_.Of(line), line};
    const size_t at = line.find(separator);
    if (at == std::string_view::npos) {
      return InvalidArgument(
          "{}: event {} has no \"{}\" between key and value (--key-separator); those before it "
          "were "
          "sent",
          options_.file.string(), number, separator == "\t" ? "\\t" : separator);
    }
    Record record;
    if (at > 0) record.key = std::string(line.substr(0, at));
    const std::string_view value = line.substr(at + separator.size());
    if (!value.empty()) record.value = value;
    return record;
  }

  Status Produce(const Record& record) {
    const std::optional<std::string>& key = record.key;
    const void* const key_bytes = key ? key->data() : nullptr;
    const size_t key_size = key ? key->size() : 0;
    const void* const value_bytes = record.value ? record.value->data() : nullptr;
    const size_t value_size = record.value ? record.value->size() : 0;
    const uint64_t bytes = SizeOf(value_size, key_size);
    if (address_.is_mock) RETURN_IF_ERROR(AwaitRoom(bytes));
    while (true) {
      const auto error =
          rd_kafka_producev(handle_.get(), RD_KAFKA_V_TOPIC(source_.topic.c_str()),
                            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                            RD_KAFKA_V_VALUE(const_cast<void*>(value_bytes), value_size),
                            RD_KAFKA_V_KEY(key_bytes, key_size), RD_KAFKA_V_END);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) break;
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        return InvalidArgument(
            "replay to {}: event {}, {} bytes and a key of {}, could not be sent: {}; those before "
            "it were",
            source_.topic, window_.flying_records() + window_.delivered_records() + 1, value_size,
            key_size, KafkaErrorText(error));
      }
      rd_kafka_poll(handle_.get(), 10);
    }
    window_.Sent(bytes);
    if (window_.flying_records() % 256 == 0) rd_kafka_poll(handle_.get(), 0);
    return OkStatus();
  }

  // Asks the server early enough that its answer rarely finds the window full.
  Status AwaitRoom(uint64_t bytes) {
    if (!window_.Full(bytes, 0.5)) return OkStatus();
    while (true) {
      rd_kafka_poll(handle_.get(), 0);
      RETURN_IF_ERROR(failure_);
      if (options_.applied) RETURN_IF_ERROR(Ask());
      if (!window_.Full(bytes)) return OkStatus();
      if (!options_.applied && window_.flying_records() == 0) {
        return FailedPrecondition(
            "replay to {}: the embedded broker keeps only the newest 5 MiB of a partition, so more "
            "can be sent only as the server applies it; start `freshet serve` on the project "
            "first, or use "
            "a real broker",
            source_.topic);
      }
      if (cancelled()) return OkStatus();
      rd_kafka_poll(handle_.get(), 2);
    }
  }

  Status Ask() {
    const auto now = SteadyClock::now();
    if (now < next_ask_) return OkStatus();
    auto applied = options_.applied();
    next_ask_ = SteadyClock::now() + kAskEvery;
    if (!applied.ok()) {
      // A server that restarts is no reason to give up.
      if (!server_away_since_) server_away_since_ = now;
      if (now - *server_away_since_ < kServerAwayMax) {
        next_ask_ = SteadyClock::now() + kProgressEvery;
        return OkStatus();
      }
      return MakeStatus(
          applied.status().code(),
          "replay to {}: the server has not said for {} s how far it has applied: {}; {}",
          source_.topic, kServerAwayMax.count(), MessageOf(applied.status()), AppliedSoFar());
    }
    server_away_since_.reset();
    applied_ = *std::move(applied);
    for (const auto& [partition, next] : applied_) window_.Applied(partition, next);
    return OkStatus();
  }

  // Of what was produced here, as far as the server has said.
  std::string AppliedSoFar() const {
    uint64_t produced = window_.flying_records() + window_.delivered_records();
    return fmt::format("{} of {} records produced are known to be applied",
                       window_.delivered_records() - window_.waiting_records(), produced);
  }

  Status FlushAll() {
    while (window_.flying_records() > 0 && !cancelled()) {
      rd_kafka_flush(handle_.get(), 100);
      RETURN_IF_ERROR(failure_);
    }
    return failure_;
  }

  Status WaitApplied() {
    if (!options_.applied) {
      return FailedPrecondition("replay to {}: waiting needs a running server to ask",
                                source_.topic);
    }
    while (!cancelled()) {
      RETURN_IF_ERROR(Ask());
      if (AllApplied()) break;
      std::this_thread::sleep_for(kAskEvery);
    }
    return OkStatus();
  }

  bool AllApplied() const {
    for (const auto& [partition, end] : window_.Ends()) {
      const auto next = applied_.find(partition);
      if (next == applied_.end() || next->second < end) return false;
    }
    return true;
  }

  void Pace(SteadyClock::time_point start, uint64_t events) {
    const auto due =
        start + std::chrono::duration_cast<SteadyClock::duration>(
                    std::chrono::duration<double>(static_cast<double>(events) / options_.rate));
    while (SteadyClock::now() < due && !cancelled()) {
      const auto left = std::chrono::duration_cast<milliseconds>(due - SteadyClock::now());
      rd_kafka_poll(handle_.get(), static_cast<int>(std::min<int64_t>(left.count(), 50)));
    }
  }

  void Report(uint64_t events, const LineFile& file, bool last) {
    if (!options_.progress) return;
    if (!last && events % 64 != 0 && options_.rate == 0) return;
    const auto now = SteadyClock::now();
    if (!last && now < next_report_) return;
    next_report_ = now + kProgressEvery;
    options_.progress(events, file.bytes_read(), file.bytes_total());
  }

  bool cancelled() const { return options_.cancelled && options_.cancelled(); }

  const Source& source_;
  const LogAddress& address_;
  const ReplayOptions& options_;
  KeyText key_text_;
  ReplayWindow window_;
  std::map<int32_t, int64_t> applied_;  // as the server said last
  Status failure_;
  SteadyClock::time_point next_ask_{};
  SteadyClock::time_point next_report_{};
  std::optional<SteadyClock::time_point> server_away_since_;
  KafkaHandle handle_;  // last: destroyed first, while what its callbacks touch is alive
};

}  // namespace

StatusOr<ReplayResult> Replay(const Source& source, const LogAddress& address,
                              const std::map<std::string, std::string>& kafka_options,
                              const ReplayOptions& options) {
  Replayer replayer(source, address, options);
  RETURN_IF_ERROR(replayer.Open(kafka_options));
  return replayer.Run();
}

}  // namespace freshet
