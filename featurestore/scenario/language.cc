#include "featurestore/scenario/language.h"

#include "featurestore/scenario/scenario.h"

namespace freshet {
namespace {

constexpr Shape kText{.form = Form::kText};
constexpr Shape kTexts{.form = Form::kText, .list = &kText};
constexpr Shape kTextList{.list = &kText};
constexpr Shape kBool{.form = Form::kBool};
constexpr Shape kTime{.form = Form::kText, .like = "2026-01-01T10:15:00Z"};
constexpr Shape kTolerance{.form = Form::kReal, .like = "1e-6"};
constexpr Shape kAnything{.form = Form::kAnything};
constexpr Shape kFreeMap{.map = &kAnything, .names_are_free = true};
constexpr Shape kTextMap{.map = &kText, .names_are_free = true};
constexpr Shape kPartition{.form = Form::kInteger, .least = 0, .most = 63, .like = "0"};
constexpr Shape kCount{.form = Form::kInteger, .least = 0, .most = 1'000'000, .like = "0"};

constexpr Word kReasons[] = {{"malformed"}, {"mistyped"}, {"incomplete"}, {"future"}, {"no_key"}};
constexpr Shape kReason{.form = Form::kWord, .words = kReasons};

constexpr Key kEventKeys[] = {
    {"source", "The source; may be left out where the project has one.", &kText},
    {"value", "The record's value, written as JSON. null: a tombstone.", &kAnything},
    {"raw", "The record's value as text, where it is not JSON.", &kText},
    {"key", "The record's key.", &kText},
    {"headers", "The record's headers.", &kTextMap},
    {"partition", "Of the source's topic. Default: 0.", &kPartition},
    {"record_time", "The record's own time. Default: now.", &kTime},
    {"log_append_time", "record_time is the broker's, not the producer's.", &kBool},
    {"refused", "The reason why it should become a dead letter.", &kReason},
};
constexpr Object kEventObject{"an event", kEventKeys};
constexpr Shape kEvent{.object = &kEventObject};
constexpr Shape kEvents{.list = &kEvent};

constexpr Key kLookupKeys[] = {
    {"service", "The feature service that is asked.", &kText},
    {"features", "Or a list of view:feature.", &kTextList},
    {"keys", "Values by key name; null: no entity.", &kFreeMap},
    {"inputs", "What comes with the request, by the name of the service's input; null: none.",
     &kFreeMap},
    {"event_id", "Of the request's own event (count_request), as it is sent.", &kText},
    {"as_of", "Values as of this time.", &kTime},
    {"now", "The clock's time, for this lookup alone.", &kTime},
    {"expect",
     "By feature: a value (PRESENT), null (NULL_VALUE), or { status, value, degraded, tolerance }.",
     &kFreeMap},
    {"event_times", "By view: the row's event time as of the read, or null.", &kFreeMap},
    {"watermarks", "By view: its watermark, or null.", &kFreeMap},
    {"error", "The reason with which the lookup should be refused: MISSING_KEY.", &kText},
    {"tolerance", "Of doubles, relative (and absolute below 1). Default: 1e-9.", &kTolerance},
};
constexpr Object kLookupObject{"a lookup", kLookupKeys};
constexpr Shape kLookup{.object = &kLookupObject};
constexpr Shape kLookups{.list = &kLookup};

constexpr Key kCountsKeys[] = {
    {"late", "Events that changed no feature of the view.", &kCount},
    {"no_key", "Events that were skipped since a key is null.", &kCount},
    {"where", "Events that a where of the source or view did not pass.", &kCount},
};
constexpr Object kCountsObject{"counts of a view", kCountsKeys};
constexpr Shape kCountsOfView{.object = &kCountsObject};
constexpr Shape kCounts{.map = &kCountsOfView};

constexpr Word kActions[] = {{"restart"}, {"compact"}};
constexpr Key kStepKeys[] = {
    {"now", "Moves the clock.", &kTime},
    {"events", "Events, in the order in which they are appended.", &kEvents},
    {"lookups", "What is asked, and what should be answered.", &kLookups},
    {"counts", "By view, since it was last started.", &kCounts},
};
constexpr Object kStepObject{"a step", kStepKeys};
constexpr Shape kStep{.form = Form::kWord, .words = kActions, .object = &kStepObject};
constexpr Shape kSteps{.list = &kStep};

constexpr Key kScenarioKeys[] = {
    {"scenario", "What it shows. Default: the file's name.", &kText},
    {"rule", "Sentences of the specification that it checks.", &kTexts},
    {"project", "A declaration of its own; the operator's words may be left out.", &kAnything},
    {"now", "The clock at first; needed with clock: wall.", &kTime},
    {"events", "What happens before the steps.", &kEvents},
    {"steps", "Events, lookups, clock, restarts and compactions in order.", &kSteps},
    {"lookups", "What is asked after the steps.", &kLookups},
};
constexpr Object kScenarioObject{"a scenario", kScenarioKeys};
constexpr Shape kScenario{.object = &kScenarioObject};
constexpr Shape kScenarios{.list = &kScenario};

constexpr Key kRootKeys[] = {
    kScenarioKeys[0],
    kScenarioKeys[1],
    kScenarioKeys[2],
    kScenarioKeys[3],
    kScenarioKeys[4],
    kScenarioKeys[5],
    kScenarioKeys[6],
    {"scenarios", "Several; rule, project and now above count for each that has none.",
     &kScenarios},
};
constexpr Object kRoot{"a scenario file", kRootKeys};

}  // namespace

const Object& ScenarioRoot() { return kRoot; }

std::string ScenarioJsonSchema() { return JsonSchemaOf(kRoot, "Freshet: scenarios"); }

}  // namespace freshet
