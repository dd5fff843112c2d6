// How fast is ingestion? Each case is the server's pipeline (live loop with both of its stages, windows, WAL on) with a baseline beside it:
//
//   memory_vs_count    events from memory, against a librdkafka consumer of the embedded broker that only counts
//   kafka_vs_count     drained from a real Kafka, against a consumer of it that only counts, through the same batch calls
//   uniform_vs_rmw     uniform over ten million rows that are there, against a bare RocksDB loop that reads, changes and writes them
//   freshness_at_half  from produced to servable at half the rate of kafka_vs_count, against from produced to polled
//
//   ./run bench ingest [CASE…]     all but uniform_vs_rmw, which takes minutes to fill its store, unless named

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <fstream>
#include <limits>
#include <thread>

#include "bench/check.h"
#include "bench/ingest/events.h"
#include "bench/ingest/kafka.h"
#include "bench/ingest/pipeline.h"
#include "bench/ingest/read_modify_write.h"
#include "bench/report.h"
#include "featurestore/declare/project.h"
#include "featurestore/ingest/mock_broker.h"
#include "featurestore/ingest/replay.h"

namespace freshet::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kPairs = 7;
constexpr size_t kCards = 100'000;
constexpr size_t kMemoryEvents = 400'000;
constexpr int32_t kMockPartitions = 24;  // the mock keeps 5 MiB a partition
constexpr int64_t kKafkaEvents = 2'000'000;
constexpr int32_t kKafkaPartitions = 4;
constexpr size_t kUniformCards = 10'000'000;
constexpr size_t kUniformEvents = 300'000;  // a run
constexpr double kFreshnessSeconds = 8;

Payments ZipfPayments(size_t count) {
  return MakePayments(count,
                      [cards = Zipf(kCards)](std::mt19937_64& random) { return cards(random); });
}

std::unique_ptr<LogSource> LogOf(const Payments& payments) {
  return std::make_unique<GeneratedLog>(
      static_cast<int64_t>(payments.events.size()),
      [&payments](int64_t i) { return std::string_view(payments.events[static_cast<size_t>(i)]); });
}

struct Bench {
  const Catalog& catalog;
  fs::path folder;

  Pipeline::Used Drain(std::unique_ptr<LogSource> log, int64_t records) const {
    fs::remove_all(folder / "store");
    Pipeline pipeline(catalog, folder / "store");
    return pipeline.Read(std::move(log), records);
  }
};

// WAL bytes an event where every pane of a row is filled and no two events of a batch are one row's: the most that it can be.
double FullRowWalBytes(const Bench& bench) {
  constexpr size_t kRows = 500;
  std::mt19937_64 random(7);
  Payments payments;
  const Timestamp end = kFirstEvent + Duration::Hours(25);
  std::vector<Timestamp> times;
  for (int hour = 24; hour >= 1; --hour) times.push_back(end - Duration::Hours(hour));
  for (int minute = 59; minute >= 11; --minute) times.push_back(end - Duration::Minutes(minute));
  for (int tens = 61; tens >= 1; --tens) times.push_back(end - Duration::Seconds(10 * tens));
  const auto add = [&](Timestamp at) {
    for (size_t card = 0; card < kRows; ++card)
      payments.events.push_back(ToJson({at, card}, random));
  };
  for (const Timestamp at : times) add(at);
  const auto filled = static_cast<int64_t>(payments.events.size());
  for (int i = 0; i < 10; ++i) add(end);
  fs::remove_all(bench.folder / "store");
  Pipeline pipeline(bench.catalog, bench.folder / "store");
  const PollLimits limits{.records = kRows};
  Payments first = payments;
  first.events.resize(static_cast<size_t>(filled));
  pipeline.Read(LogOf(first), filled, limits);
  const auto all = static_cast<int64_t>(payments.events.size());
  return pipeline.Read(LogOf(payments), all, limits).wal_bytes / static_cast<double>(all - filled);
}

void MemoryVsCount(const Bench& bench) {
  const Payments payments = ZipfPayments(kMemoryEvents);
  // Without a key: spread evenly, since the partition of the hottest card would outgrow what the mock keeps.
  Source source = bench.catalog.sources[0];
  source.key.reset();
  const auto broker =
      Take(MockBroker::Start(bench.folder / "broker", {{source.topic, kMockPartitions}}));
  {
    std::ofstream lines(bench.folder / "events.jsonl");
    for (const std::string& event : payments.events) lines << event << '\n';
  }
  // The consumer reads them all again and again: nothing has to be applied before the next is produced.
  ReplayOptions replay;
  replay.file = bench.folder / "events.jsonl";
  replay.applied = []() -> StatusOr<std::map<int32_t, int64_t>> {
    std::map<int32_t, int64_t> all;
    for (int32_t p = 0; p < kMockPartitions; ++p) all[p] = std::numeric_limits<int64_t>::max() / 2;
    return all;
  };
  // Each record to a partition of its own: librdkafka else sends 10 ms of them to one, which may then outgrow the mock too.
  const std::map<std::string, std::string> spread = {{"sticky.partitioning.linger.ms", "0"}};
  Check(Replay(source, {broker->bootstrap(), broker->log_id(), true}, spread, replay).status());

  const auto count = static_cast<double>(kMemoryEvents);
  Case result{
      .bench = "ingest",
      .name = "memory_vs_count",
      .what = "events/s from memory into 10 features, WAL on, against a consumer that only counts",
      .unit = "events/s"};
  Pipeline::Used used;
  Interleave(
      result, kPairs,
      [&] {
        used = bench.Drain(LogOf(payments), kMemoryEvents);
        return count / used.seconds;
      },
      [&] {
        const auto options = ConsumerOptions(broker->bootstrap(), source.topic);
        return count / Count(options, kMockPartitions, kMemoryEvents);
      });
  result.more = {{"events_per_cpu_second", count / used.cpu_seconds},
                 {"wal_bytes_per_event", used.wal_bytes / count},
                 {"sst_bytes_per_event", used.sst_bytes / count},
                 {"wal_bytes_per_event_full_rows", FullRowWalBytes(bench)},
                 {"event_bytes", static_cast<double>(payments.bytes()) / count}};
  Print(result);
}

// Where Kafka holds the events already, its broker runs on the same two cores.
double KafkaVsCount(const Bench& bench, const RealBroker& broker) {
  const std::string& topic = bench.catalog.sources[0].topic;
  const Payments payments = ZipfPayments(kKafkaEvents);
  Produce(broker.bootstrap(), topic, payments, 0, kKafkaEvents);
  const KafkaSourceOptions options = ConsumerOptions(broker.bootstrap(), topic);
  const auto count = static_cast<double>(kKafkaEvents);
  Case result{.bench = "ingest",
              .name = "kafka_vs_count",
              .what =
                  "events/s drained from Kafka into 10 features, WAL on, against a consumer "
                  "that only counts",
              .unit = "events/s"};
  Pipeline::Used used;
  Interleave(
      result, kPairs,
      [&] {
        used = bench.Drain(Take(KafkaSource::Make(options)), kKafkaEvents);
        return count / used.seconds;
      },
      [&] { return count / Count(options, kKafkaPartitions, kKafkaEvents); });
  result.more = {{"events_per_cpu_second", count / used.cpu_seconds},
                 {"wal_bytes_per_event", used.wal_bytes / count},
                 {"sst_bytes_per_event", used.sst_bytes / count}};
  Print(result);
  return Median(result.freshet);
}

// A source that notes when what it gave was produced.
class WatchedSource final : public LogSource {
 public:
  struct Given {
    int32_t partition;
    int64_t offset;
    Timestamp produced;
  };
  WatchedSource(std::unique_ptr<LogSource> log, std::deque<Given>& given)
      : log_(std::move(log)), given_(given) {}
  StatusOr<int32_t> Partitions() override { return log_->Partitions(); }
  StatusOr<LogBounds> Bounds(int32_t p) override { return log_->Bounds(p); }
  StatusOr<std::optional<RecordFingerprint>> FirstAt(int32_t p, int64_t offset) override {
    return log_->FirstAt(p, offset);
  }
  Status Assign(const Positions& next) override { return log_->Assign(next); }
  Status Poll(const PollLimits& limits, LogBatch& batch) override {
    Status polled = log_->Poll(limits, batch);
    for (const SourceRecord& r : batch.records) {
      given_.push_back({r.partition, r.offset, r.raw.record_time});
    }
    return polled;
  }
  std::optional<int64_t> KnownEnd(int32_t p) override { return log_->KnownEnd(p); }
  void CommitAdvisory(const Positions& durable) override { log_->CommitAdvisory(durable); }

 private:
  const std::unique_ptr<LogSource> log_;
  std::deque<Given>& given_;
};

struct Latencies {
  std::vector<double> ms;
  double at(double share) {
    if (ms.empty()) return 0;
    const auto rank = static_cast<size_t>(share * static_cast<double>(ms.size() - 1));
    std::nth_element(ms.begin(), ms.begin() + static_cast<ptrdiff_t>(rank), ms.end());
    return ms[rank];
  }
  // The first second is not counted: connections, first pages.
  void Note(Timestamp produced, Timestamp from) {
    const Timestamp now = SystemClock().Now();
    if (produced >= from) ms.push_back((now - produced).seconds() * 1000);
  }
};

Latencies Freshness(const Bench& bench, const RealBroker& broker, const Payments& payments,
                    double rate, const std::string& topic, bool count_only) {
  const auto records = static_cast<int64_t>(rate * kFreshnessSeconds);
  std::deque<WatchedSource::Given> given;
  Latencies latencies;
  // The topic and the consumer are there before the first of them.
  Produce(broker.bootstrap(), topic, payments, 0, 1);
  auto source = std::make_unique<WatchedSource>(
      Take(KafkaSource::Make(ConsumerOptions(broker.bootstrap(), topic))), given);
  const Timestamp from = SystemClock().Now() + Duration::Seconds(1);
  std::jthread producer([&] { Produce(broker.bootstrap(), topic, payments, rate, records); });
  if (count_only) {
    Positions positions;
    for (int32_t p = 0; p < kKafkaPartitions; ++p) positions[p] = 0;
    Check(source->Assign(positions));
    LogBatch batch;
    for (int64_t left = records + 1; left > 0;) {
      Check(source->Poll({}, batch));
      left -= static_cast<int64_t>(batch.records.size());
      for (const auto& one : given) latencies.Note(one.produced, from);
      given.clear();
    }
    return latencies;
  }
  fs::remove_all(bench.folder / "store");
  Catalog catalog = bench.catalog;
  catalog.sources[0].topic = topic;
  Pipeline pipeline(catalog, bench.folder / "store");
  pipeline.Read(std::move(source), records + 1, {}, [&](const auto& partitions) {
    while (!given.empty() && given.front().offset < partitions.at(given.front().partition).next) {
      latencies.Note(given.front().produced, from);
      given.pop_front();
    }
  });
  return latencies;
}

void FreshnessAtHalf(const Bench& bench, const RealBroker& broker, double most) {
  const Payments payments = ZipfPayments(kMemoryEvents);
  const double rate = most / 2;
  Case result{
      .bench = "ingest",
      .name = "freshness_at_half",
      .what =
          "ms from produced to servable, p99, at half of kafka_vs_count's rate, against from "
          "produced to polled by a consumer that only counts",
      .unit = "ms"};
  std::vector<double> p50;
  int topics = 0;
  const auto run = [&](bool count_only) {
    const std::string topic = fmt::format("payments-{}", ++topics);
    Latencies latencies = Freshness(bench, broker, payments, rate, topic, count_only);
    if (!count_only) p50.push_back(latencies.at(0.5));
    return latencies.at(0.99);
  };
  Interleave(
      result, kPairs, [&] { return run(false); }, [&] { return run(true); });
  result.more = {{"p50_ms", Median(p50)}, {"events_per_second", rate}};
  // At half, the producer, the broker and the server together want both cores whole. At an eighth they do not.
  for (const bool count_only : {false, true}) {
    const std::string topic = fmt::format("payments-{}", ++topics);
    Latencies calm = Freshness(bench, broker, payments, most / 8, topic, count_only);
    const std::string whose = count_only ? "_at_an_eighth_counted" : "_at_an_eighth";
    result.more.emplace_back("p50_ms" + whose, calm.at(0.5));
    result.more.emplace_back("p99_ms" + whose, calm.at(0.99));
  }
  Print(result);
}

void UniformVsRmw(const Bench& bench) {
  fs::remove_all(bench.folder / "store");
  Pipeline pipeline(bench.catalog, bench.folder / "store");
  // One event each, so that each has a row; made while it is read, a batch and the one that is decoded beside it at a time.
  std::vector<std::string> made(4 * PollLimits().records);
  std::mt19937_64 random(20130101);
  constexpr auto kLoaded = static_cast<int64_t>(kUniformCards);
  const auto load = [&](int64_t i) -> std::string_view {
    std::string& event = made[static_cast<size_t>(i) % made.size()];
    random.seed(static_cast<uint64_t>(i));
    event = ToJson({kFirstEvent - Duration::Hours(1), static_cast<size_t>(i)}, random);
    return event;
  };
  fmt::print(stderr, "uniform_vs_rmw: filling {} rows\n", kUniformCards);
  pipeline.Read(std::make_unique<GeneratedLog>(kLoaded, load), kLoaded);
  Check(pipeline.store().Flush());
  Check(pipeline.store().CompactView(pipeline.view()));
  ReadModifyWrite baseline(bench.folder / "baseline", bench.catalog.storage.memory_bytes,
                           pipeline.store(), pipeline.view());

  const Payments payments = MakePayments(
      (kPairs + 1) * kUniformEvents, [](std::mt19937_64& draw) { return draw() % kUniformCards; });
  const auto record = [&](int64_t i) -> std::string_view {
    return i < kLoaded ? load(i) : payments.events[static_cast<size_t>(i - kLoaded)];
  };
  Case result{.bench = "ingest",
              .name = "uniform_vs_rmw",
              .what =
                  "events/s from memory, uniform over 1e7 rows, against a RocksDB loop that "
                  "reads, changes and writes rows of the same size",
              .unit = "events/s"};
  Pipeline::Used used;
  int64_t read = 0;
  size_t changed = 0;
  constexpr auto kCount = static_cast<double>(kUniformEvents);
  Interleave(
      result, kPairs,
      [&] {
        read += kUniformEvents;
        used =
            pipeline.Read(std::make_unique<GeneratedLog>(kLoaded + read, record), kLoaded + read);
        return kCount / used.seconds;
      },
      [&] {
        const std::span<const size_t> cards =
            std::span(payments.cards).subspan(changed, kUniformEvents);
        changed += kUniformEvents;
        return kCount / baseline.Run(cards, PollLimits().records);
      });
  result.more = {{"events_per_cpu_second", kCount / used.cpu_seconds},
                 {"wal_bytes_per_event", used.wal_bytes / kCount},
                 {"sst_bytes_per_event", used.sst_bytes / kCount},
                 {"row_bytes", baseline.row_bytes()},
                 {"rows", static_cast<double>(kUniformCards)}};
  Print(result);
}

int Run(std::span<char*> names) {
  const fs::path folder =
      fs::temp_directory_path() / fmt::format("freshet-bench-ingest-{}", ::getpid());
  fs::create_directories(folder);
  const Project project = LoadProject(fs::path(FRESHET_SOURCE_DIR) / "config/bench");
  for (const Diagnostic& error : project.errors) fmt::print(stderr, "{}\n", ToString(error));
  if (project.catalog == nullptr) return 1;
  const Bench bench{*project.catalog, folder};
  const auto named = [&](std::string_view name) {
    return std::any_of(names.begin(), names.end(), [&](const char* n) { return n == name; });
  };
  if (names.empty() || named("memory_vs_count")) MemoryVsCount(bench);
  if (names.empty() || named("kafka_vs_count") || named("freshness_at_half")) {
    const RealBroker broker(kKafkaPartitions);
    const double most = KafkaVsCount(bench, broker);
    if (names.empty() || named("freshness_at_half")) FreshnessAtHalf(bench, broker, most);
  }
  if (named("uniform_vs_rmw")) UniformVsRmw(bench);
  fs::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace freshet::bench

int main(int argc, char** argv) {
  return freshet::bench::Run(std::span(argv + 1, static_cast<size_t>(argc - 1)));
}
