#include "featurestore/scenario/run_scenario.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <chrono>
#include <cstring>

#include "featurestore/ingest/in_process.h"
#include "featurestore/model/packed.h"
#include "featurestore/scenario/expected_value.h"
#include "featurestore/scenario/request_keys.h"
#include "featurestore/serve/answer_lists.h"
#include "featurestore/serve/lookup.h"
#include "featurestore/store/store.h"

namespace freshet {
namespace {

constexpr uint64_t kMemoryBytes = 32ull << 20;
constexpr size_t kDeadLettersAtMost = 100'000;

class DataFolder {
 public:
  static StatusOr<std::unique_ptr<DataFolder>> Make(const std::filesystem::path& scratch) {
    std::error_code error;
    const std::filesystem::path parent =
        scratch.empty() ? std::filesystem::temp_directory_path(error) : scratch;
    std::string pattern = (parent / "freshet-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
      return Unavailable("no folder can be made in {}: {}", parent.string(), std::strerror(errno));
    }
    std::unique_ptr<DataFolder> folder(new DataFolder());
    folder->path_ = pattern;
    return folder;
  }
  ~DataFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  DataFolder() = default;
  std::filesystem::path path_;
};

// The first row's value; of a list, vector or map its bytes are put into `packed`.
Value AnswerOf(const PlanColumn& planned, const AnswerColumn& column, std::string& packed) {
  const Type type = planned.type;
  if (IsScalar(type)) return AnswerValue(type, column, 0);
  const ElementRange range = ElementsOf(type, planned.vector_size, column, 0);
  PackedWriter writer(type, range.end - range.begin, packed);
  for (uint32_t i = range.begin; i < range.end; ++i) {
    if (IsMap(type)) {
      writer.AddEntry(ElementAt(type, column, i), MappedAt(type, column, i));
    } else {
      writer.Add(ElementAt(type, column, i));
    }
  }
  return Value::Packed(packed);
}

class ScenarioRun {
 public:
  ScenarioRun(const Scenario& scenario, const ScenarioRunOptions& options,
              const std::filesystem::path& folder)
      : scenario_(scenario), options_(options), folder_(folder), clock_(scenario.start) {
    for (const auto& [source, partitions] : scenario.partitions) {
      logs_[source] = std::make_shared<MemoryLog>(partitions);
    }
  }

  StatusOr<ScenarioResult> Run() {
    RETURN_IF_ERROR(Start());
    for (const ScenarioStep& step : scenario_.steps) {
      const Status done = std::visit([this](const auto& s) { return Do(s); }, step);
      RETURN_IF_ERROR(done);
    }
    return std::move(result_);
  }

 private:
  Status Start() {
    StoreOptions options;
    options.path = folder_;
    options.project = scenario_.catalog->project;
    options.memory_bytes = kMemoryBytes;
    ASSIGN_OR_RETURN(store_, Store::Open(options));
    for (const FeatureView& view : scenario_.catalog->views) {
      RETURN_IF_ERROR(store_->OpenView(StoreView::Of(view)).status());
    }
    PollLimits limits;
    limits.records = options_.batch_records;
    ASSIGN_OR_RETURN(ingest_,
                     InProcessIngest::Start(*scenario_.catalog, logs_, *store_, clock_, limits));
    return ingest_->ReadAll();
  }

  Status Do(const SetNow& step) {
    clock_.Set(step.now);
    return ingest_->ReadAll();
  }

  // As a kill and a start: nothing is flushed beyond what was committed.
  Status Do(const Restart&) {
    ingest_.reset();
    store_.reset();
    return Start();
  }

  Status Do(const Compact&) {
    RETURN_IF_ERROR(ingest_->ReadAll());
    for (uint32_t v = 0; v < scenario_.catalog->views.size(); ++v) {
      RETURN_IF_ERROR(store_->CompactView(ViewId{v}));
    }
    return OkStatus();
  }

  // --- Events

  Status Do(const std::vector<ScenarioEvent>& events) {
    std::vector<int64_t> offsets;
    for (const ScenarioEvent& event : events) {
      MemoryRecord record = event.record;
      if (!event.has_record_time) record.time = clock_.Now();
      offsets.push_back(logs_.at(event.source)->Append(event.partition, std::move(record)));
    }
    RETURN_IF_ERROR(ingest_->ReadAll());
    // By source, partition and offset: reason and detail.
    std::map<std::tuple<uint32_t, int32_t, int64_t>, DeadLetter> letters;
    for (const auto& [source, log] : logs_) {
      ASSIGN_OR_RETURN(
          const auto stored,
          store_->ReadDeadLetters(scenario_.catalog->sources[source].name, kDeadLettersAtMost));
      for (const Store::StoredDeadLetter& one : stored) {
        letters[{source, one.at.partition, one.at.offset}] = one.letter;
      }
    }
    for (size_t i = 0; i < events.size(); ++i) {
      const ScenarioEvent& event = events[i];
      const auto letter = letters.find({event.source, event.partition, offsets[i]});
      const std::string got = letter == letters.end() ? "" : letter->second.reason;
      ++result_.checks;
      if (got == event.refused) continue;
      const auto shown = [](const std::string& reason) {
        return reason.empty() ? "accepted" : "refused: " + reason;
      };
      Fail(event.place, fmt::format("event {}", event.record.value ? *event.record.value : "null"),
           shown(event.refused), shown(got), letter == letters.end() ? "" : letter->second.detail);
    }
    return OkStatus();
  }

  // --- Counts

  Status Do(const std::vector<ExpectedCounts>& all) {
    for (const ExpectedCounts& expected : all) {
      const ViewStatus& status = store_->view_status(ViewId{expected.view});
      const auto check = [&](const char* what, const std::optional<uint64_t>& wanted,
                             const std::atomic<uint64_t>& got) {
        if (!wanted) return;
        ++result_.checks;
        if (*wanted == got.load()) return;
        Fail(
            expected.place,
            fmt::format("{} events of view {}", what, scenario_.catalog->views[expected.view].name),
            fmt::format("{}", *wanted), fmt::format("{}", got.load()), "");
      };
      check("late", expected.late, status.late_events);
      check("no_key", expected.no_key, status.skipped_no_key);
      check("where", expected.where, status.skipped_where);
    }
    return OkStatus();
  }

  // --- Lookups

  Status Do(const std::vector<ScenarioLookup>& lookups) {
    for (const ScenarioLookup& lookup : lookups) {
      const Timestamp now = clock_.Now();
      if (lookup.now) clock_.Set(*lookup.now);
      const Status asked = Ask(lookup);
      clock_.Set(now);
      RETURN_IF_ERROR(asked);
    }
    return OkStatus();
  }

  Status Ask(const ScenarioLookup& lookup) {
    ++result_.checks;
    std::string reason = lookup.unplanned_reason;
    std::string message;
    Answer answer;
    Explanation explanation;
    if (lookup.plan != nullptr) {
      const RequestKeys keys(*lookup.plan, lookup.keys, lookup.inputs);
      int64_t as_of_us = 0;
      FeatureRequest request;
      request.keys = keys.columns();
      request.inputs = keys.inputs();
      request.event_id = lookup.event_id;
      if (lookup.as_of) {
        as_of_us = lookup.as_of->us;
        request.as_of_us = {&as_of_us, 1};
      }
      LookupOptions options;
      options.event_times = true;
      options.explanation = &explanation;
      if (const Outcome error =
              Lookup(*store_, clock_).Run(*lookup.plan, request, options, answer)) {
        reason = error->reason;
        message = error->message;
      }
    }
    if (reason != lookup.error) {
      Fail(lookup.place, "the lookup", lookup.error.empty() ? "an answer" : lookup.error,
           reason.empty() ? "an answer" : reason, message);
    }
    if (!reason.empty() || !lookup.error.empty()) return OkStatus();
    if (answer.num_rows != 1) {
      return Internal("{}: the lookup answers {} rows", ToString(lookup.place), answer.num_rows);
    }
    for (const ExpectedCell& cell : lookup.expect) CheckCell(lookup, cell, answer, explanation);
    for (const ExpectedTime& time : lookup.event_times) {
      CheckTime(lookup, time, "the event time", explanation.views[time.view].event_time);
    }
    for (const ExpectedTime& time : lookup.watermarks) {
      CheckTime(lookup, time, "the watermark", explanation.views[time.view].watermark);
    }
    return OkStatus();
  }

  void CheckCell(const ScenarioLookup& lookup, const ExpectedCell& expected, const Answer& answer,
                 const Explanation& explanation) {
    ++result_.checks;
    const PlanColumn& column = lookup.plan->columns[expected.column];
    const CellStatus status = answer.statuses.empty()
                                  ? CellStatus::kPresent
                                  : static_cast<CellStatus>(answer.statuses[expected.column]);
    const bool degraded = !answer.degraded.empty() && answer.degraded[expected.column] != 0;
    const bool has_value = HasValue(status, column.has_default);
    std::string packed;
    const Value value =
        has_value ? AnswerOf(column, answer.columns[expected.column], packed) : Value();
    const bool value_fits =
        !expected.value || (expected.value->kind == YamlNode::Kind::kNull
                                ? value.is_null()
                                : Matches(*expected.value, column.type, value, expected.tolerance));
    const bool degraded_fits = expected.degraded.value_or(false) == degraded || !expected.degraded;
    if (status == expected.status && value_fits && degraded_fits) return;
    const auto shown = [](CellStatus s, const std::string& v, bool d) {
      std::string text = v;
      if (s != CellStatus::kPresent || v.empty()) {
        text = std::string(CellStatusName(s)) + (v.empty() || v == "null" ? "" : " with " + v);
      }
      return text + (d ? ", degraded" : "");
    };
    const FeatureExplanation& why = explanation.features[expected.column];
    Fail(expected.place, fmt::format("{} of {}", column.name, Asked(lookup, answer)),
         shown(expected.status, expected.value ? ShownValue(*expected.value) : "",
               expected.degraded.value_or(false)),
         shown(status, has_value ? ShownValue(column.type, value) : "", degraded),
         why.declared.empty() ? why.why : fmt::format("{}: {}", why.declared, why.why));
  }

  void CheckTime(const ScenarioLookup& lookup, const ExpectedTime& expected, const char* what,
                 const std::optional<Timestamp>& got) {
    ++result_.checks;
    if (expected.time == got) return;
    const auto shown = [](const std::optional<Timestamp>& t) {
      return t ? FormatTimestamp(*t) : std::string("null");
    };
    Fail(expected.place, fmt::format("{} of view {}", what, lookup.plan->view_name(expected.view)),
         shown(expected.time), shown(got), "");
  }

  static std::string Asked(const ScenarioLookup& lookup, const Answer& answer) {
    std::string keys;
    for (const auto* given : {&lookup.keys, &lookup.inputs}) {
      for (const auto& [name, node] : *given) {
        keys += fmt::format("{}{}: {}", keys.empty() ? "" : ", ", name, ShownValue(node));
      }
    }
    return fmt::format("{{{}}} {} {}", keys, lookup.as_of ? "as of" : "at",
                       FormatTimestamp(lookup.as_of.value_or(answer.evaluated_at)));
  }

  void Fail(const Place& place, std::string what, std::string expected, std::string got,
            std::string why) {
    result_.failures.push_back(
        {ToString(place), std::move(what), std::move(expected), std::move(got), std::move(why)});
  }

  const Scenario& scenario_;
  const ScenarioRunOptions& options_;
  const std::filesystem::path folder_;
  ManualClock clock_;
  std::map<uint32_t, std::shared_ptr<MemoryLog>> logs_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<InProcessIngest> ingest_;
  ScenarioResult result_;
};

}  // namespace

StatusOr<ScenarioResult> RunScenario(const Scenario& scenario, const ScenarioRunOptions& options) {
  const auto begun = std::chrono::steady_clock::now();
  ASSIGN_OR_RETURN(const auto folder, DataFolder::Make(options.scratch));
  ASSIGN_OR_RETURN(ScenarioResult result, ScenarioRun(scenario, options, folder->path()).Run());
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return result;
}

}  // namespace freshet
