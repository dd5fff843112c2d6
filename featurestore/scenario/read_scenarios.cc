// From a file's tree to scenarios in which every name is resolved and every expected value fits its feature's type.
#include <fmt/format.h>

#include <algorithm>

#include "featurestore/base/nearest.h"
#include "featurestore/declare/check.h"
#include "featurestore/declare/files.h"
#include "featurestore/declare/inline_project.h"
#include "featurestore/declare/resolve.h"
#include "featurestore/declare/scalar_forms.h"
#include "featurestore/scenario/json_text.h"
#include "featurestore/scenario/language.h"
#include "featurestore/scenario/read_expected.h"
#include "featurestore/scenario/scenario.h"
#include "featurestore/serve/plans.h"

namespace freshet {
namespace {

constexpr double kTolerance = 1e-9;

// One scenario: the file's own map, or one of `scenarios` with the file's map behind it.
class Reader {
 public:
  Reader(const YamlNode& file, const std::filesystem::path& folder,
         std::shared_ptr<const Catalog> project, Diagnostics& diagnostics)
      : file_(file), folder_(folder), project_(std::move(project)), diagnostics_(diagnostics) {}

  // Of the file's `project:`, once.
  bool ResolveShared() {
    const YamlEntry* inline_project = file_.FindEntry("project");
    if (inline_project == nullptr) return true;
    project_ = ResolveInlineProject(inline_project->value, inline_project->key_place, folder_,
                                    diagnostics_);
    return project_ != nullptr;
  }

  Scenario Read(const YamlNode& node, const Place& place) {
    scenario_ = {};
    scenario_.place = place;
    scenario_.catalog = project_;
    const YamlEntry* own = &node == &file_ ? nullptr : node.FindEntry("project");
    if (own != nullptr) {
      scenario_.catalog = ResolveInlineProject(own->value, own->key_place, folder_, diagnostics_);
    }
    if (const YamlNode* name = Sound(node, "scenario")) scenario_.name = name->text;
    ReadRules(*From(node, "rule"));
    if (scenario_.catalog == nullptr) {
      if (own == nullptr && file_.FindEntry("project") == nullptr) {
        Error(
            place,
            "there is no project: give `project:` here, or the folder of one (freshet test DIR, or "
            "--project DIR)");
      }
      return scenario_;
    }
    plans_ = std::make_unique<Plans>(scenario_.catalog);
    for (const FeatureView& view : scenario_.catalog->views) scenario_.partitions[view.source] = 1;
    has_now_ = scenario_.catalog->clock == ClockKind::kEventTime;
    if (const YamlNode* now = From(node, "now"); now->kind == YamlNode::Kind::kScalar) {
      if (const auto time = ReadNow(*now)) {
        scenario_.start = *time;
        has_now_ = true;
      }
    }
    if (const YamlNode* events = Sound(node, "events")) AddEvents(*events);
    if (const YamlNode* steps = Sound(node, "steps")) {
      for (const YamlNode& step : steps->items) AddStep(step);
    }
    if (const YamlNode* lookups = Sound(node, "lookups")) AddLookups(*lookups);
    if (!asks_) {
      Error(place, "the scenario asks nothing; give lookups: or counts:");
    }
    return std::move(scenario_);
  }

 private:
  // The scenario's own, or else the file's.
  const YamlNode* From(const YamlNode& node, std::string_view key) const {
    static const YamlNode kNone;
    if (const YamlNode* own = Sound(node, key)) return own;
    if (const YamlNode* shared = Sound(file_, key)) return shared;
    return &kNone;
  }

  void ReadRules(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::kScalar) scenario_.rules.push_back(node.text);
    for (const YamlNode& item : node.items) scenario_.rules.push_back(item.text);
  }

  void Error(const Place& place, std::string text) { diagnostics_.Error(place, std::move(text)); }

  std::optional<Timestamp> ReadTime(const YamlNode& node, std::string_view what) {
    if (node.kind == YamlNode::Kind::kScalar) {
      if (const auto time = ParseTimestamp(node.text)) return time;
    }
    Error(node.place,
          fmt::format("{} is {}; write a time such as 2026-01-01T10:15:00Z", what, node.Shown()));
    return std::nullopt;
  }

  std::optional<Timestamp> ReadNow(const YamlNode& node) {
    if (scenario_.catalog->clock == ClockKind::kEventTime) {
      Error(node.place,
            "with clock: event_time now is the newest event's time; send an event, or ask with "
            "as_of");
      return std::nullopt;
    }
    return ReadTime(node, "now");
  }

  // Before anything happens.
  void NeedNow(const Place& place) {
    if (has_now_) return;
    has_now_ = true;  // said once
    Error(place,
          "with clock: wall a scenario says what time it is; give now: before events and "
          "lookups");
  }

  void AddStep(const YamlNode& step) {
    if (step.bad) return;
    if (step.kind == YamlNode::Kind::kScalar) {
      if (step.text == "restart") scenario_.steps.emplace_back(Restart{});
      if (step.text == "compact") scenario_.steps.emplace_back(Compact{});
      return;
    }
    for (const YamlEntry& entry : step.entries) {
      if (entry.value.bad) continue;
      if (entry.key == "now") {
        if (const auto time = ReadNow(entry.value)) {
          scenario_.steps.emplace_back(SetNow{*time});
          has_now_ = true;
        }
      } else if (entry.key == "events") {
        AddEvents(entry.value);
      } else if (entry.key == "lookups") {
        AddLookups(entry.value);
      } else if (entry.key == "counts") {
        AddCounts(entry.value);
      }
    }
  }

  // --- Events

  void AddEvents(const YamlNode& list) {
    NeedNow(list.place);
    std::vector<ScenarioEvent> events;
    for (const YamlNode& node : list.items) {
      if (node.bad || node.kind != YamlNode::Kind::kMap) continue;
      ScenarioEvent event;
      event.place = node.place;
      if (!ReadSource(node, event.source)) continue;
      if (const YamlNode* partition = Sound(node, "partition")) {
        event.partition = static_cast<int32_t>(*ReadInteger(partition->text));
      }
      int32_t& partitions = scenario_.partitions[event.source];
      partitions = std::max(partitions, event.partition + 1);
      ReadRecord(node, event);
      if (const YamlNode* refused = Sound(node, "refused")) event.refused = refused->text;
      events.push_back(std::move(event));
    }
    scenario_.steps.emplace_back(std::move(events));
  }

  bool ReadSource(const YamlNode& node, uint32_t& source) {
    const Catalog& catalog = *scenario_.catalog;
    const YamlNode* named = Sound(node, "source");
    if (named == nullptr) {
      if (catalog.sources.size() != 1) {
        Error(node.place, "the project has several sources; name the event's: source: …");
        return false;
      }
      source = 0;
    } else {
      const auto index = catalog.SourceIndex(named->text);
      if (!index) {
        std::vector<std::string> names;
        for (const Source& one : catalog.sources) names.push_back(one.name);
        Error(named->place, fmt::format("there is no source {}{}", named->Shown(),
                                        diagnostics_.Suggest(named->text, names)));
        return false;
      }
      source = *index;
    }
    if (scenario_.partitions.contains(source)) return true;
    Error(node.place, fmt::format("no feature view reads source {}", catalog.sources[source].name));
    return false;
  }

  void ReadRecord(const YamlNode& node, ScenarioEvent& event) {
    const YamlEntry* value = node.FindEntry("value");
    const YamlNode* raw = Sound(node, "raw");
    if ((value == nullptr) == (raw == nullptr)) {
      // A misspelt key, reported already, may have been meant for it.
      const bool misspelt = std::any_of(node.entries.begin(), node.entries.end(),
                                        [](const YamlEntry& entry) { return entry.value.bad; });
      if (!misspelt)
        Error(node.place, "an event has a value (JSON) or raw (any text), one of the two");
      return;
    }
    if (raw != nullptr) {
      event.record.value = raw->text;
    } else if (value->value.kind != YamlNode::Kind::kNull) {
      AppendJson(value->value, event.record.value.emplace());
    }
    if (const YamlNode* key = Sound(node, "key")) event.record.key = key->text;
    if (const YamlNode* headers = Sound(node, "headers")) {
      for (const YamlEntry& header : headers->entries) {
        event.record.headers.emplace_back(header.key, header.value.text);
      }
    }
    if (const YamlNode* time = Sound(node, "record_time")) {
      if (const auto read = ReadTime(*time, "record_time")) event.record.time = *read;
      event.has_record_time = true;
    } else if (!scenario_.catalog->sources[event.source].time_field &&
               scenario_.catalog->clock == ClockKind::kEventTime) {
      Error(node.place, "an event's time is its record's here; give record_time:");
    }
    if (const YamlNode* broker = Sound(node, "log_append_time"))
      event.record.broker_time = broker->text == "true";
  }

  // --- Lookups

  void AddLookups(const YamlNode& list) {
    NeedNow(list.place);
    asks_ = true;
    std::vector<ScenarioLookup> lookups;
    for (const YamlNode& node : list.items) {
      if (!node.bad && node.kind == YamlNode::Kind::kMap) lookups.push_back(ReadLookup(node));
    }
    scenario_.steps.emplace_back(std::move(lookups));
  }

  ScenarioLookup ReadLookup(const YamlNode& node) {
    ScenarioLookup lookup;
    lookup.place = node.place;
    if (const YamlNode* error = Sound(node, "error")) lookup.error = error->text;
    if (const YamlNode* keys = Sound(node, "keys")) {
      for (const YamlEntry& key : keys->entries) lookup.keys.emplace_back(key.key, key.value);
    }
    if (const YamlNode* inputs = Sound(node, "inputs")) {
      for (const YamlEntry& one : inputs->entries) lookup.inputs.emplace_back(one.key, one.value);
    }
    if (const YamlNode* id = Sound(node, "event_id")) lookup.event_id = id->text;
    if (const YamlNode* now = Sound(node, "now")) lookup.now = ReadNow(*now);
    if (const YamlNode* as_of = Sound(node, "as_of")) lookup.as_of = ReadTime(*as_of, "as_of");
    if (!SelectPlan(node, lookup)) return lookup;
    double tolerance = kTolerance;
    if (const YamlNode* within = Sound(node, "tolerance")) tolerance = *ReadReal(within->text);
    if (const YamlNode* expect = Sound(node, "expect")) {
      for (const YamlEntry& entry : expect->entries)
        ReadExpectedCell(entry, tolerance, diagnostics_, lookup);
    }
    ReadTimes(node, "event_times", *lookup.plan, lookup.event_times);
    ReadTimes(node, "watermarks", *lookup.plan, lookup.watermarks);
    if (lookup.error.empty() && !Declares(node, "expect") && lookup.event_times.empty() &&
        lookup.watermarks.empty()) {
      Error(node.place, "the lookup expects nothing; give expect: or error:");
    }
    return lookup;
  }

  bool SelectPlan(const YamlNode& node, ScenarioLookup& lookup) {
    const YamlNode* service = Sound(node, "service");
    const YamlNode* features = Sound(node, "features");
    if ((service == nullptr) == (features == nullptr)) {
      Error(node.place, "a lookup names a service, or features, one of the two");
      return false;
    }
    Outcome outcome;
    Place place;
    if (service != nullptr) {
      place = service->place;
      outcome = plans_->Service(service->text, lookup.plan);
    } else {
      place = features->place;
      std::vector<const std::string*> names;
      for (const YamlNode& name : features->items) names.push_back(&name.text);
      outcome = plans_->Features(names, lookup.plan);
    }
    if (!outcome) return true;
    lookup.plan = nullptr;
    lookup.unplanned_reason = outcome->reason;
    if (lookup.error.empty()) Error(place, outcome->message);
    return false;
  }

  void ReadTimes(const YamlNode& node, std::string_view key, const Plan& plan,
                 std::vector<ExpectedTime>& times) {
    const YamlNode* map = Sound(node, key);
    if (map == nullptr) return;
    std::vector<std::string> names;
    for (size_t v = 0; v < plan.views.size(); ++v) names.push_back(plan.view_label(v));
    for (const YamlEntry& entry : map->entries) {
      const auto found = std::find(names.begin(), names.end(), entry.key);
      if (found == names.end()) {
        Error(entry.key_place, fmt::format("the lookup reads no view {}{}", entry.key,
                                           diagnostics_.Suggest(entry.key, names)));
        continue;
      }
      ExpectedTime time;
      time.place = entry.key_place;
      time.view = static_cast<uint32_t>(found - names.begin());
      if (entry.value.kind != YamlNode::Kind::kNull) {
        time.time = ReadTime(entry.value, entry.key);
        if (!time.time) continue;
      }
      times.push_back(time);
    }
  }

  void AddCounts(const YamlNode& map) {
    asks_ = true;
    std::vector<ExpectedCounts> all;
    for (const YamlEntry& entry : map.entries) {
      if (entry.value.bad) continue;
      const auto view = scenario_.catalog->ViewIndex(entry.key);
      if (!view) {
        std::vector<std::string> names;
        for (const FeatureView& one : scenario_.catalog->views) names.push_back(one.name);
        Error(entry.key_place, fmt::format("there is no feature view {}{}", entry.key,
                                           diagnostics_.Suggest(entry.key, names)));
        continue;
      }
      ExpectedCounts counts;
      counts.place = entry.key_place;
      counts.view = *view;
      const auto read = [&](std::string_view key) -> std::optional<uint64_t> {
        const YamlNode* node = Sound(entry.value, key);
        if (node == nullptr) return std::nullopt;
        return static_cast<uint64_t>(*ReadInteger(node->text));
      };
      counts.late = read("late");
      counts.no_key = read("no_key");
      counts.where = read("where");
      all.push_back(counts);
    }
    scenario_.steps.emplace_back(std::move(all));
  }

  const YamlNode& file_;
  const std::filesystem::path folder_;
  std::shared_ptr<const Catalog> project_;
  Diagnostics& diagnostics_;
  // Of the scenario at hand.
  Scenario scenario_;
  std::unique_ptr<Plans> plans_;
  bool has_now_ = false;
  bool asks_ = false;
};

}  // namespace

ScenarioFile ReadScenarios(const std::filesystem::path& path,
                           const std::shared_ptr<const Catalog>& project) {
  ScenarioFile file;
  file.diagnostics = std::make_shared<Diagnostics>();
  Diagnostics& diagnostics = *file.diagnostics;
  const std::string* shown = diagnostics.InternFile(ShownPath(path));
  const Place top{shown, 1, 1};
  const auto failed = [&]() -> ScenarioFile& {
    file.scenarios.clear();
    file.errors = diagnostics.TakeErrors();
    return file;
  };
  const auto text = ReadWholeFile(path, kMaxYamlBytes);
  if (!text.ok()) {
    diagnostics.Error({shown, 0, 0}, std::string(MessageOf(text.status())));
    return failed();
  }
  YamlNode root;
  if (!ParseYaml(*text, shown, diagnostics, root)) return failed();
  if (root.kind != YamlNode::Kind::kMap) {
    diagnostics.Error(top, "the file holds no scenario; begin with scenario: WHAT IT SHOWS");
    return failed();
  }
  CheckObject(root, ScenarioRoot(), top, diagnostics);
  Reader reader(root, path.parent_path(), project, diagnostics);
  if (!reader.ResolveShared()) return failed();
  const std::string stem = path.stem().string();
  if (const YamlNode* list = Sound(root, "scenarios")) {
    for (const char* key : {"events", "steps", "lookups"}) {
      if (const YamlEntry* entry = root.FindEntry(key))
        diagnostics.Error(entry->key_place, "stands beside scenarios:; put it into one of them");
    }
    for (const YamlNode& node : list->items) {
      if (node.bad || node.kind != YamlNode::Kind::kMap) continue;
      file.scenarios.push_back(reader.Read(node, node.place));
      Scenario& one = file.scenarios.back();
      if (one.name.empty()) one.name = fmt::format("{} {}", stem, file.scenarios.size());
    }
  } else {
    file.scenarios.push_back(reader.Read(root, top));
    if (file.scenarios.back().name.empty()) file.scenarios.back().name = stem;
  }
  if (!diagnostics.ok()) return failed();
  for (Scenario& scenario : file.scenarios) scenario.file = *shown;
  return file;
}

}  // namespace freshet
