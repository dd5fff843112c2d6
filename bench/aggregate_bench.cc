// What does an event cost, for each aggregation and kind of window? And does a window's length cost anything?
//
// AGGREGATION/WINDOW (`sum/sliding`): ns of CPU an event through the processor into the store, with nothing cached: its JSON decoded, its row
// read, decoded, updated, encoded and committed (WAL on), beside the same events into the least row there is, a lifetime count.
// `row_bytes` is what a row takes then. Each of 64 cards has an event a minute; windows are an hour (24 panes where they slide),
// the calendar's a day, sessions pauses of 10 minutes, rows 100.
//
// week_vs_minute: three features over 7 days in 24 panes beside the same over a minute in 24 panes, with so many events a pane.
// week_vs_minute_times: one of them keeps an exact time a pane, whose place in 7 hours takes more bytes than in 2.5 seconds.
//
// ./run bench aggregate [short | NAME…]: `short` shows that it works; names are cases or beginnings of them.

#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>

#include "bench/report.h"
#include "featurestore/aggregate/catalog.h"
#include "featurestore/declare/project.h"
#include "featurestore/ingest/processor.h"

namespace freshet::bench {
namespace {

constexpr size_t kCards = 64;

// Of this thread's CPU: RocksDB writes in the thread that commits, and nothing waits for a disk.
int64_t ThreadNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class Folder {
 public:
  Folder() {
    static int number = 0;
    path_ = std::filesystem::temp_directory_path() /
            fmt::format("freshet-bench-aggregate-{}-{}", ::getpid(), number++);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// None: the language does not have it; `why` says so.
std::shared_ptr<const Catalog> Declare(const std::vector<std::string>& features, std::string& why) {
  const Folder folder;
  std::ofstream file(folder.path() / "freshet.yaml");
  file << "project: bench\nclock: event_time\nkafka: { brokers: embedded }\nsources:\n  payments:\n"
          "    topic: payments\n    timestamp: kafka\n    fields: { card: string, n: int64, x: "
          "double, "
          "s: string, b: bool }\nentities:\n  card: { keys: { card: string } }\nfeature_views:\n"
          "  cards:\n    source: payments\n    entity: card\n    ttl: 60d\n    features:\n";
  for (size_t i = 0; i < features.size(); ++i)
    file << "      f" << i << ": " << features[i] << "\n";
  file.close();
  const Project project = LoadProject(folder.path());
  if (!project.errors.empty()) why = project.errors[0].text;
  return project.errors.empty() ? project.catalog : nullptr;
}

// A view in a store of its own, and events for it without end.
class Bed {
 public:
  // Each card has an event every `spacing`.
  Bed(std::shared_ptr<const Catalog> catalog, Duration spacing)
      : catalog_(std::move(catalog)), spacing_(spacing) {
    StoreOptions options;
    options.path = folder_.path();
    options.project = "bench";
    options.memory_bytes = 256ull << 20;
    store_ = Take(Store::Open(options));
    const FeatureView& view = catalog_->views[0];
    id_ = Take(store_->OpenView({view.name, view.version, std::nullopt}));
    processor_ = std::make_unique<Processor>(
        catalog_->sources[0], std::vector<ProcessorView>{{id_, catalog_->layouts[0].get()}},
        *store_, clock_, ProcessorOptions{.future = FutureRule::kNone, .cache_bytes = 0});
  }

  // ns an event of so many rounds, an event a card each and a commit a round.
  double Measure(int rounds) {
    int64_t spent = 0;
    for (int r = 0; r < rounds; ++r) {
      MakeRound();
      const int64_t begin = ThreadNanoseconds();
      Commit commit(*store_);
      // Asked for deletes alone, of which there are none.
      const NewestBefore none = [](size_t, int32_t) { return std::nullopt; };
      Check(processor_->Process(records_, 0, none, commit, outcome_));
      Progress progress;
      progress.next = outcome_.partitions[0].next;
      progress.last = outcome_.partitions[0].last;
      progress.newest_event = outcome_.partitions[0].newest;
      commit.Advance(id_, 0, progress);
      Check(commit.Apply());
      spent += ThreadNanoseconds() - begin;
    }
    return static_cast<double>(spent) / rounds / kCards;
  }

  double RowBytes() const {
    uint64_t bytes = 0;
    uint64_t rows = 0;
    Check(store_->Scan(id_, [&](std::string_view, std::string_view row) {
      bytes += row.size();
      return ++rows > 0;
    }));
    return static_cast<double>(bytes) / static_cast<double>(rows);
  }

 private:
  void MakeRound() {
    texts_.clear();
    records_.clear();
    now_ = now_ + spacing_;
    for (size_t card = 0; card < kCards; ++card) {
      SourceRecord& record = records_.emplace_back();
      record.offset = offset_++;
      const Duration ahead{static_cast<int64_t>(random_() % static_cast<uint64_t>(spacing_.us))};
      record.raw.record_time = now_ + ahead;
      record.raw.value = texts_.emplace_back(
          fmt::format(R"({{"card":"card-{:08}","n":{},"x":{:.2f},"s":"merchant-{:05}","b":{}}})",
                      card, random_() % 1000, static_cast<double>(random_() % 50'000) / 100,
                      random_() % 2000, random_() % 2 == 0 ? "true" : "false"));
    }
  }

  const std::shared_ptr<const Catalog> catalog_;
  const Duration spacing_;
  Folder folder_;
  const SystemClock clock_;
  std::unique_ptr<Store> store_;
  ViewId id_;
  std::unique_ptr<Processor> processor_;
  std::mt19937_64 random_{20130101};
  Timestamp now_{1'700'000'000'000'000};
  int64_t offset_ = 0;
  std::deque<std::string> texts_;
  std::vector<SourceRecord> records_;
  BatchOutcome outcome_{1};
};

struct Kind {
  std::string name;
  std::string window;
};
const std::vector<Kind>& Kinds() {
  static const auto& kinds =
      *new std::vector<Kind>{{"sliding", "{ sliding: 1h, hop: 150s }"},
                             {"exact", "{ sliding: 1h, exact: true, max_events: 100 }"},
                             {"tumbling", "{ tumbling: 1h }"},
                             {"completed", "{ tumbling: 1h, report: completed }"},
                             {"calendar", "{ tumbling: day, timezone: Europe/Berlin }"},
                             {"hopping", "{ hopping: 1h, hop: 150s }"},
                             {"session", "{ session: 10m }"},
                             {"ended", "{ session: 10m, report: ended }"},
                             {"rows", "{ rows: 100 }"},
                             {"lifetime", "lifetime"}};
  return kinds;
}

struct Measured {
  std::string name;
  std::string aggregate;  // with its field and arguments
};

// Every aggregation that the catalog has, and the maps of those that take `by`.
std::vector<Measured> Aggregates() {
  std::vector<Measured> all;
  for (const Aggregation& aggregation : AllAggregations()) {
    const std::string name(aggregation.name);
    std::string text = name;
    if (aggregation.of == OfRule::kRequired) {
      const bool takes_number = aggregation.ResultType(Type::kDouble).has_value();
      const bool takes_text = aggregation.ResultType(Type::kString).has_value();
      const bool of_text = takes_text && (name.find("distinct") != std::string::npos ||
                                          name == "top_k" || name == "histogram");
      text += of_text ? ", of: s" : takes_number ? ", of: x" : ", of: b";
    }
    if (name == "min_by" || name == "max_by") text += ", order_by: n";
    if (name == "quantile") text += ", q: 0.99";
    if (name.ends_with("_n")) text += ", n: 10";
    if (name == "top_k") text += ", k: 10";
    if (name == "histogram") text = "histogram, of: x, bounds: [1, 10, 100]";
    if (name.starts_with("decayed_")) text += ", half_life: 1h";
    all.push_back({name, text});
  }
  all.push_back({"count_by", "count, by: s, max_keys: 50"});
  all.push_back({"sum_by", "sum, of: x, by: s, max_keys: 50"});
  return all;
}

int Run(const std::vector<std::string>& arguments) {
  const bool brief = !arguments.empty() && arguments[0] == "short";
  const auto wanted = [&](const std::string& name) {
    return brief || arguments.empty() ||
           std::any_of(arguments.begin(), arguments.end(),
                       [&](const std::string& a) { return name.starts_with(a); });
  };
  const int full = 120;  // rounds until windows are full and steady
  const int rounds = brief ? 2 : 100;
  std::string why;
  const auto least_declared = Declare({"{ aggregate: count, windows: [lifetime] }"}, why);
  if (least_declared == nullptr) Die(Internal("{}", why));
  Bed least(least_declared, Duration::Minutes(1));
  least.Measure(brief ? 2 : full);

  for (const Measured& aggregate : Aggregates()) {
    for (const Kind& kind : Kinds()) {
      Case result{.bench = "aggregate",
                  .name = aggregate.name + "/" + kind.name,
                  .what =
                      "ns an event, row read, decoded, updated, encoded and committed, against "
                      "a lifetime count",
                  .unit = "ns/event"};
      if (!wanted(result.name)) continue;
      const auto catalog = Declare(
          {fmt::format("{{ aggregate: {}, windows: [{}] }}", aggregate.aggregate, kind.window)},
          why);
      if (catalog == nullptr) {
        fmt::print(stderr, "{}: left out: {}\n", result.name, why);
        continue;
      }
      Bed bed(catalog, Duration::Minutes(1));
      bed.Measure(full);
      Interleave(
          result, brief ? 1 : 5, [&] { return bed.Measure(rounds); },
          [&] { return least.Measure(rounds); });
      result.more = {{"row_bytes", bed.RowBytes()}};
      Print(result);
    }
  }

  for (const std::string third : {"max, of: x", "last, of: s"}) {
    Case result{.bench = "aggregate",
                .name = third.starts_with("last") ? "week_vs_minute_times" : "week_vs_minute",
                .what = fmt::format("ns an event into 24 panes of 7 hours (count; sum; {}), "
                                    "against 24 panes of 2.5 seconds",
                                    third),
                .unit = "ns/event"};
    if (!wanted(result.name)) continue;
    const auto over = [&](const std::string& window) {
      std::vector<std::string> features;
      for (const std::string& aggregate :
           {std::string("count"), std::string("sum, of: x"), third}) {
        features.push_back(fmt::format("{{ aggregate: {}, windows: [{}] }}", aggregate, window));
      }
      const auto catalog = Declare(features, why);
      if (catalog == nullptr) Die(Internal("{}", why));
      return catalog;
    };
    Bed week(over("{ sliding: 7d, hop: 7h }"), Duration::Minutes(140));
    Bed minute(over("{ sliding: 1m, hop: 2500ms }"), Duration{2'500'000 / 3});
    week.Measure(full);
    minute.Measure(full);
    Interleave(
        result, brief ? 3 : 25, [&] { return week.Measure(brief ? 20 : 200); },
        [&] { return minute.Measure(brief ? 20 : 200); });
    result.more = {{"row_bytes", week.RowBytes()}, {"row_bytes_of_a_minute", minute.RowBytes()}};
    Print(result);
  }
  return 0;
}

}  // namespace
}  // namespace freshet::bench

int main(int argc, char** argv) {
  return freshet::bench::Run(std::vector<std::string>(argv + 1, argv + argc));
}
