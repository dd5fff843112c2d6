// How fast is ingestion, beside a consumer that only counts?
//
// memory_vs_count: the same JSON events (about 150 bytes, cards by Zipf(0.99)), once from memory through decode, windows and
// commits (WAL on) into a fresh store, once drained from the embedded broker through the consumer's batch interface by a loop that only
// counts them. One thread does the work on each side; librdkafka and RocksDB have theirs.

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include "bench/report.h"
#include "featurestore/declare/project.h"
#include "featurestore/ingest/kafka_source.h"
#include "featurestore/ingest/mock_broker.h"
#include "featurestore/ingest/processor.h"
#include "featurestore/ingest/replay.h"

namespace freshet::bench {
namespace {

constexpr size_t kEvents = 400'000;
constexpr size_t kCards = 100'000;
constexpr int32_t kPartitions = 24;  // the mock keeps 5 MiB a partition
constexpr int kPairs = 7;

using Seconds = std::chrono::duration<double>;

// Ranks 0 … n−1 with probability ∝ 1 / (rank + 1)^0.99, from a table of the distribution.
class Zipf {
 public:
  explicit Zipf(size_t n) : cumulative_(n) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i)
      cumulative_[i] = sum += std::pow(static_cast<double>(i + 1), -0.99);
  }
  size_t operator()(std::mt19937_64& random) const {
    const double at = std::uniform_real_distribution<double>(0, cumulative_.back())(random);
    return static_cast<size_t>(std::lower_bound(cumulative_.begin(), cumulative_.end(), at) -
                               cumulative_.begin());
  }

 private:
  std::vector<double> cumulative_;
};

std::vector<std::string> MakeEvents() {
  std::mt19937_64 random(20130101);
  const Zipf cards(kCards);
  std::vector<std::string> events(kEvents);
  Timestamp at{1'700'000'000'000'000};
  for (std::string& event : events) {
    at = at + Duration::Millis(
                  static_cast<int64_t>(random() % 400));  // about 5 a second: 22 hours in all
    event = fmt::format(
        R"({{"at":"{}","card":"card-{:08}","amount":{:.2f},"merchant":"merchant-{:05}","country":"DE","online":{}}})",
        FormatTimestamp(at), cards(random), static_cast<double>(random() % 50'000) / 100,
        random() % 20'000, random() % 2 == 0 ? "true" : "false");
  }
  return events;
}

struct Ingested {
  double seconds = 0;
  double wal_bytes = 0;
};

Ingested IngestFromMemory(const Catalog& catalog, const std::vector<std::string>& events,
                          const std::filesystem::path& folder) {
  std::filesystem::remove_all(folder);
  StoreOptions options;
  options.path = folder;
  options.project = catalog.project;
  options.memory_bytes = catalog.storage.memory_bytes;
  const auto store = Take(Store::Open(options));
  const FeatureView& view = catalog.views[0];
  const ViewId id = Take(store->OpenView({view.name, view.version, std::nullopt}));
  const SystemClock clock;
  Processor processor(catalog.sources[0], {{id, catalog.layouts[0].get()}}, *store, clock,
                      {.future = FutureRule::kNone, .cache_bytes = 256ull << 20});
  const PollLimits limits;
  std::vector<SourceRecord> batch;
  BatchOutcome outcome(1);
  // Asked for deletes alone, of which there are none.
  const NewestBefore none = [](size_t, int32_t) { return std::nullopt; };
  Progress progress;
  uint64_t applied = 0;

  const auto begin = std::chrono::steady_clock::now();
  for (size_t first = 0; first < events.size(); first += limits.records) {
    batch.clear();
    for (size_t i = first; i < std::min(events.size(), first + limits.records); ++i) {
      SourceRecord& record = batch.emplace_back();
      record.offset = static_cast<int64_t>(i);
      record.raw.value = events[i];
    }
    Commit commit(*store);
    Check(processor.Process(batch, 0, none, commit, outcome));
    progress.next = outcome.partitions[0].next;
    progress.last = outcome.partitions[0].last;
    progress.newest_event = outcome.partitions[0].newest;
    commit.Advance(id, 0, progress);
    Check(commit.Apply());
    applied += outcome.applied;
  }
  const Seconds seconds = std::chrono::steady_clock::now() - begin;

  if (applied != events.size())
    Die(Internal("{} of {} events were applied", applied, events.size()));
  return {seconds.count(), static_cast<double>(store->Statistics().wal_bytes_written)};
}

double CountFromBroker(const std::string& bootstrap, const std::string& topic, size_t expected) {
  KafkaSourceOptions options;
  options.bootstrap = bootstrap;
  options.topic = topic;
  options.group = "bench";
  options.queue_bytes = 64ull << 20;
  const auto source = Take(KafkaSource::Make(options));
  Positions from;
  for (int32_t p = 0; p < kPartitions; ++p) from[p] = 0;
  const PollLimits limits;
  LogBatch batch;
  size_t count = 0;
  const auto begin = std::chrono::steady_clock::now();
  Check(source->Assign(from));
  while (count < expected) {
    batch.Clear();
    Check(source->Poll(limits, batch));
    count += batch.records.size();
    if (Seconds(std::chrono::steady_clock::now() - begin).count() > 120) {
      Die(Internal("only {} of {} events came from the broker", count, expected));
    }
  }
  return Seconds(std::chrono::steady_clock::now() - begin).count();
}

int Run() {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("freshet-bench-ingest-{}", ::getpid());
  std::filesystem::create_directories(folder);
  const Project project = LoadProject(std::filesystem::path(FRESHET_SOURCE_DIR) / "config/bench");
  for (const Diagnostic& error : project.errors) fmt::print(stderr, "{}\n", ToString(error));
  if (project.catalog == nullptr) return 1;
  // Without a key: spread evenly, since the partition of the hottest card would outgrow what the mock keeps.
  Source source = project.catalog->sources[0];
  source.key.reset();

  const std::vector<std::string> events = MakeEvents();
  const auto broker = Take(MockBroker::Start(folder / "broker", {{source.topic, kPartitions}}));
  {
    std::ofstream lines(folder / "events.jsonl");
    for (const std::string& event : events) lines << event << '\n';
  }
  // The consumer reads them all again and again: nothing has to be applied before the next is produced.
  ReplayOptions replay;
  replay.file = folder / "events.jsonl";
  replay.applied = []() -> StatusOr<std::map<int32_t, int64_t>> {
    std::map<int32_t, int64_t> all;
    for (int32_t p = 0; p < kPartitions; ++p) all[p] = std::numeric_limits<int64_t>::max() / 2;
    return all;
  };
  // Each record to a partition of its own: librdkafka else sends 10 ms of them to one, which may then outgrow the mock too.
  const std::map<std::string, std::string> spread = {{"sticky.partitioning.linger.ms", "0"}};
  Check(Replay(source, {broker->bootstrap(), broker->log_id(), true}, spread, replay).status());

  double wal_bytes = 0;
  uint64_t bytes = 0;
  for (const std::string& event : events) bytes += event.size();
  const auto rate = [&](double seconds) { return static_cast<double>(events.size()) / seconds; };
  Case result{
      .bench = "ingest",
      .name = "memory_vs_count",
      .what = "events/s from memory into 10 features, WAL on, against a consumer that only counts",
      .unit = "events/s"};
  Interleave(
      result, kPairs,
      [&] {
        const Ingested run = IngestFromMemory(*project.catalog, events, folder / "store");
        wal_bytes = run.wal_bytes;
        return rate(run.seconds);
      },
      [&] { return rate(CountFromBroker(broker->bootstrap(), source.topic, events.size())); });
  const auto count = static_cast<double>(events.size());
  result.more = {{"wal_bytes_per_event", wal_bytes / count},
                 {"event_bytes", static_cast<double>(bytes) / count}};
  Print(result);
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace freshet::bench

int main() { return freshet::bench::Run(); }
