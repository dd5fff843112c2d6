// Holds a running server against the oracle: every cell of every entity of every view over one source, at now and,
// where a view has history, in the past. The server must have applied FILE into one partition, all of it
// (`freshet replay FILE --wait`); a line's number is its offset.
//
//   oracle_compare PROJECT_DIR --file flights.jsonl.gz [--source NAME] [--address HOST:PORT]
//
// Exits 1 on any difference, with the first ten shown.
#include <fmt/format.h>
#include <zlib.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>

#include "featurestore/base/clock.h"
#include "featurestore/declare/project.h"
#include "featurestore/oracle/oracle.h"
#include "tests/integration/flights/asked_server.h"

namespace freshet {
namespace {

constexpr size_t kRowsPerRequest = 500;
constexpr uint64_t kDifferencesShown = 10;

struct Arguments {
  std::string folder;
  std::string source;
  std::string file;
  std::string address;
  std::vector<std::string> sets;
};

// One line after the other; the text is good until the next call.
class Lines {
 public:
  explicit Lines(const std::string& path) : file_(gzopen(path.c_str(), "rb")) {}
  ~Lines() {
    if (file_ != nullptr) gzclose(file_);
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  bool ok() const { return file_ != nullptr; }
  bool Next(std::string& line) {
    line.clear();
    std::array<char, 4096> part;
    while (gzgets(file_, part.data(), part.size()) != nullptr) {
      line += part.data();
      if (line.back() != '\n') continue;
      line.pop_back();
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return true;
    }
    return !line.empty();
  }

 private:
  gzFile file_;
};

struct Tally {
  uint64_t cells = 0;
  uint64_t event_times = 0;
  uint64_t differences = 0;
  std::map<std::string, uint64_t> by_status;
  std::map<std::string, uint64_t> by_aggregation;

  template <typename... Args>
  void Differ(fmt::format_string<Args...> format, Args&&... args) {
    if (++differences > kDifferencesShown) return;
    fmt::print("DIFFERENT {}\n", fmt::format(format, std::forward<Args>(args)...));
  }
};

std::string Show(const std::optional<Timestamp>& time) {
  return time ? fmt::format("{} ({})", FormatTimestamp(*time), time->us) : "none";
}

std::string Show(const oracle::KeyValues& key) {
  std::string text;
  for (const Value& value : key) text += (text.empty() ? "" : "/") + ToDebugString(value);
  return text;
}

// Where answers may go wrong: within, at and beyond the reach of history, at the edges of panes.
std::vector<Timestamp> TimesToAsk(const FeatureView& view, Timestamp now) {
  std::vector<Timestamp> times = {now, now - Duration{1}, now + Duration::Hours(1)};
  if (view.ttl) {
    for (const Duration age : {*view.ttl, *view.ttl + view.grace()}) {
      times.push_back(now + age);
      times.push_back(now + age + Duration{1});
    }
  }
  if (view.history.us == 0) return times;
  times.push_back(now - view.history);
  times.push_back(now - view.history - Duration{1});
  for (const double part : {0.003, 0.03, 0.1, 0.37, 0.5, 0.83, 0.99}) {
    const auto back = Duration{static_cast<int64_t>(part * static_cast<double>(view.history.us))};
    times.push_back(now - back);
  }
  for (const Feature& feature : view.features) {
    if (!feature.window.has_panes()) continue;
    const Timestamp half = now - Duration{view.history.us / 2};
    const Timestamp edge = FloorTo(half, feature.window.hop, feature.window.offset);
    if (edge - Duration{1} < now - view.history) continue;
    times.push_back(edge);
    times.push_back(edge - Duration{1});
  }
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  return times;
}

class Comparison {
 public:
  Comparison(const Catalog& catalog, const oracle::Oracle& oracle, AskedServer& server)
      : catalog_(catalog), oracle_(oracle), server_(server) {}

  Status CompareView(size_t view_index, const Entity& entity) {
    const FeatureView& view = oracle_.views()[view_index];
    auto keys = oracle_.entities(view_index);
    const size_t known = keys.size();
    // One that was never seen.
    keys.push_back(keys.empty() ? oracle::KeyValues{} : keys.front());
    if (known == 0)
      return NotFound("{} has no entity at all: is this its source's file?", view.name);
    for (Value& value : keys.back()) {
      if (value.kind() == Value::Kind::kText) value = Value::Text("never seen");
      if (value.kind() == Value::Kind::kInt64) value = Value::Int64(INT64_MIN);
    }
    // At now.
    RETURN_IF_ERROR(CompareRows(view_index, entity, keys, {}));
    // One time for all rows of a request.
    const std::vector<Timestamp> times = TimesToAsk(view, now_);
    for (const Timestamp& t : times) {
      RETURN_IF_ERROR(CompareRows(view_index, entity, keys, std::span(&t, 1)));
    }
    // One time a row: each entity at a time of its own.
    std::vector<Timestamp> one_a_row;
    for (size_t i = 0; i < keys.size(); ++i) one_a_row.push_back(times[i % times.size()]);
    if (keys.size() > 1) RETURN_IF_ERROR(CompareRows(view_index, entity, keys, one_a_row));
    fmt::print("  {}: {} entities, {} times, {} features\n", view.name, known, times.size() + 1,
               view.features.size());
    return OkStatus();
  }

  Tally& tally() { return tally_; }

 private:
  Status CompareRows(size_t view_index, const Entity& entity,
                     std::span<const oracle::KeyValues> keys, std::span<const Timestamp> as_of) {
    const FeatureView& view = oracle_.views()[view_index];
    for (size_t from = 0; from < keys.size(); from += kRowsPerRequest) {
      const size_t count = std::min(kRowsPerRequest, keys.size() - from);
      const auto times = as_of.size() > 1 ? as_of.subspan(from, count) : as_of;
      ASSIGN_OR_RETURN(const auto answer,
                       server_.Ask(view, entity, keys.subspan(from, count), times));
      now_ = answer->now;
      if (catalog_.clock == ClockKind::kEventTime && now_ != oracle_.now_event_time()) {
        tally_.Differ("{}: now is {}, the greatest event time {}", view.name, Show(now_),
                      Show(oracle_.now_event_time()));
      }
      for (size_t r = 0; r < count; ++r) {
        oracle::AskedAt asked{answer->now, std::nullopt};
        if (!times.empty()) asked.as_of = times[times.size() > 1 ? r : 0];
        CompareRow(view_index, keys[from + r], asked, answer->rows[r]);
      }
    }
    return OkStatus();
  }

  void CompareRow(size_t view_index, const oracle::KeyValues& key, const oracle::AskedAt& asked,
                  const AskedRow& got) {
    const FeatureView& view = oracle_.views()[view_index];
    const oracle::ExpectedRow expected = oracle_.Answer(view_index, key, asked);
    const auto where = [&] {
      return fmt::format("{} of {} at {}", view.name, Show(key),
                         Show(asked.as_of.value_or(asked.now)));
    };
    for (size_t f = 0; f < view.features.size(); ++f) {
      const oracle::Expected& cell = expected.cells[f];
      ++tally_.cells;
      ++tally_.by_status[std::string(CellStatusName(cell.status))];
      ++tally_.by_aggregation[view.features[f].aggregate];
      if (oracle::Agrees(cell, got.cells[f].status, got.cells[f].value) &&
          cell.degraded == got.cells[f].degraded) {
        continue;
      }
      tally_.Differ("{}: {} is {} {}, the oracle says {} {}", where(), view.features[f].name,
                    CellStatusName(got.cells[f].status), ToDebugString(got.cells[f].value),
                    CellStatusName(cell.status), ToDebugString(cell.value));
    }
    ++tally_.event_times;
    if (got.event_time != expected.event_time) {
      tally_.Differ("{}: event time {}, the oracle says {}", where(), Show(got.event_time),
                    Show(expected.event_time));
    }
  }

  const Catalog& catalog_;
  const oracle::Oracle& oracle_;
  AskedServer& server_;
  Timestamp now_;
  Tally tally_;
};

int Fail(std::string_view what) {
  fmt::print(stderr, "oracle_compare: {}\n", what);
  return 2;
}

int Run(const Arguments& arguments) {
  LoadOptions options;
  options.sets = arguments.sets;
  const Project project = LoadProject(arguments.folder, options);
  if (!project.catalog) {
    for (const Diagnostic& error : project.errors) fmt::print(stderr, "{}\n", ToString(error));
    return Fail("the project has errors");
  }
  const Catalog& catalog = *project.catalog;
  uint32_t source = 0;
  if (!arguments.source.empty()) {
    const auto index = catalog.SourceIndex(arguments.source);
    if (!index) return Fail(fmt::format("no source {}", arguments.source));
    source = *index;
  } else if (catalog.sources.size() != 1) {
    return Fail("there are several sources: name one with --source");
  }

  std::vector<Entity> entities;
  std::vector<FeatureView> views;
  for (const FeatureView& view : catalog.views) {
    if (view.source != source) continue;
    views.push_back(view);
    entities.push_back(catalog.entities[view.entity]);
  }
  oracle::Oracle oracle(catalog.sources[source], entities, views);

  Lines lines(arguments.file);
  if (!lines.ok()) return Fail(fmt::format("cannot read {}", arguments.file));
  const Timestamp read_at = SystemClock().Now();
  std::map<std::string, uint64_t> refused;
  int64_t offset = 0;
  for (std::string line; lines.Next(line); ++offset) {
    oracle::Record record;
    record.value = line;
    record.record_time = read_at;
    if (catalog.clock == ClockKind::kWall) record.seen_at = read_at;
    if (const auto refusal = oracle.Offer(record, {0, 0, offset})) {
      ++refused[std::string(oracle::RefusalName(*refusal))];
    }
  }
  fmt::print("{} lines", offset);
  for (const auto& [reason, count] : refused) fmt::print(", {} {}", count, reason);
  fmt::print("\n");

  AskedServer server(arguments.address.empty() ? catalog.server.grpc : arguments.address);
  Comparison comparison(catalog, oracle, server);
  for (size_t v = 0; v < views.size(); ++v) {
    if (const Status status = comparison.CompareView(v, entities[v]); !status.ok()) {
      return Fail(MessageOf(status));
    }
  }
  const Tally& tally = comparison.tally();
  for (const auto& [aggregation, count] : tally.by_aggregation)
    fmt::print("  {} {}", aggregation, count);
  fmt::print("\n");
  for (const auto& [status, count] : tally.by_status) fmt::print("  {} {}", status, count);
  fmt::print("\n{} cells and {} event times compared, {} different\n", tally.cells,
             tally.event_times, tally.differences);
  return tally.differences == 0 ? 0 : 1;
}

}  // namespace
}  // namespace freshet

int main(int argc, char** argv) {
  CLI::App app("Holds a running server against the oracle, cell by cell.");
  freshet::Arguments arguments;
  app.add_option("DIR", arguments.folder, "the project folder")->required();
  app.add_option("--file", arguments.file, "the lines that were replayed, .jsonl or .jsonl.gz")
      ->required();
  app.add_option("--source", arguments.source, "the source they went to; the only one if left out");
  app.add_option("--address", arguments.address, "the server's, where not the project's");
  app.add_option("--set", arguments.sets, "as of freshet serve");
  CLI11_PARSE(app, argc, argv);
  return freshet::Run(arguments);
}
