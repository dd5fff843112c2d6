#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "featurestore/base/time.h"
#include "server/client_channel.h"
#include "server/commands/commands.h"
#include "server/commands/request_rows.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

struct ExplainArguments {
  std::string service;
  std::vector<std::string> keys;
  std::string as_of;
  std::string event_id;
  ServerArguments server;
  std::string output = "table";
};

Json ValueAsJson(const google::protobuf::Value& value) {
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(value, &text).ok()) return nullptr;
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

Json TimeAsJson(bool has, int64_t us) { return has ? Json(FormatTimestamp({us})) : Json(nullptr); }

Json WindowAsJson(const v1::CoveredWindow& window) {
  Json json = {{"start", TimeAsJson(window.has_start_us(), window.start_us())},
               {"end", TimeAsJson(window.has_end_us(), window.end_us())},
               {"start_included", window.start_included()},
               {"end_included", window.end_included()}};
  if (window.pane_us() > 0) {
    json["panes"] = window.panes();
    json["pane"] = FormatDuration({window.pane_us()});
    json["left_out_pane_of_read"] = window.left_out_pane_of_read();
  }
  json["events"] = window.has_events() ? Json(window.events()) : Json(nullptr);
  return json;
}

std::string AsJson(const v1::ExplainFeaturesResponse& answer) {
  Json features = Json::array();
  for (const v1::FeatureExplanation& one : answer.features()) {
    features.push_back(
        {{"name", one.name()},
         {"value", ValueAsJson(one.value())},
         {"status", v1::FeatureStatus_Name(one.status())},
         {"degraded", one.degraded()},
         {"view", one.has_view() && static_cast<int>(one.view()) < answer.views_size()
                      ? Json(answer.views(static_cast<int>(one.view())).view())
                      : Json(nullptr)},
         {"declared", one.declared()},
         {"window", one.has_covered() ? WindowAsJson(one.covered()) : Json(nullptr)},
         {"why", one.why()}});
  }
  Json views = Json::array();
  for (const v1::ViewExplanation& one : answer.views()) {
    views.push_back(
        {{"view", one.view()},
         {"row", one.row()},
         {"request_event", one.request_event()},
         {"newest_event", TimeAsJson(one.has_newest_event_us(), one.newest_event_us())},
         {"event_time", TimeAsJson(one.has_event_time_us(), one.event_time_us())},
         {"max_age_until", TimeAsJson(one.has_max_age_until_us(), one.max_age_until_us())},
         {"found_until", TimeAsJson(one.has_found_until_us(), one.found_until_us())},
         {"watermark", TimeAsJson(one.has_watermark_us(), one.watermark_us())},
         {"complete_since", TimeAsJson(one.has_complete_since_us(), one.complete_since_us())},
         {"late_events", one.late_events()},
         {"skipped_no_key", one.skipped_no_key()},
         {"skipped_where", one.skipped_where()}});
  }
  const Json all = {{"evaluated_at", FormatTimestamp({answer.evaluated_at_us()})},
                    {"as_of", TimeAsJson(answer.has_as_of_us(), answer.as_of_us())},
                    {"features", std::move(features)},
                    {"views", std::move(views)}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string AsTable(const v1::ExplainFeaturesResponse& answer) {
  std::string text = fmt::format("now {}", FormatTimestamp({answer.evaluated_at_us()}));
  if (answer.has_as_of_us()) text += ", as of " + FormatTimestamp({answer.as_of_us()});
  text += "\n";
  for (const v1::FeatureExplanation& one : answer.features()) {
    text += fmt::format("\n{} = {}  {}{}\n  {}\n  {}\n", one.name(),
                        ValueAsJson(one.value()).dump(), v1::FeatureStatus_Name(one.status()),
                        one.degraded() ? ", degraded" : "", one.declared(), one.why());
  }
  const auto line = [&](const char* what, bool has, int64_t us, const char* otherwise) {
    text += fmt::format("  {:<22}  {}\n", what, has ? FormatTimestamp({us}) : otherwise);
  };
  for (const v1::ViewExplanation& one : answer.views()) {
    text += fmt::format("\nview {}{}\n", one.view(),
                        one.request_event() ? ", which the request's own event joined" : "");
    line("row's newest event", one.has_newest_event_us(), one.newest_event_us(), "there is no row");
    line("as of the read", one.has_event_time_us(), one.event_time_us(), "nothing");
    const char* const never = one.has_newest_event_us() ? "never" : "it is NOT_FOUND";
    line("OUTSIDE_MAX_AGE after", one.has_max_age_until_us(), one.max_age_until_us(), never);
    line("NOT_FOUND after", one.has_found_until_us(), one.found_until_us(), never);
    line("watermark", one.has_watermark_us(), one.watermark_us(), "no event yet");
    line("complete since", one.has_complete_since_us(), one.complete_since_us(), "ever");
    text += fmt::format(
        "  {:<22}  {} late, {} without its key, {} left out by a where (not kept by row)\n",
        "events of all rows", one.late_events(), one.skipped_no_key(), one.skipped_where());
  }
  return text;
}

StatusOr<v1::ExplainFeaturesResponse> Ask(const ExplainArguments& arguments) {
  ASSIGN_OR_RETURN(const std::string address, AddressOf(arguments.server));
  ClientChannel channel(address);
  v1::DescribeCatalogResponse catalog;
  RETURN_IF_ERROR(channel.DescribeCatalog(arguments.service, catalog).status);
  ASSIGN_OR_RETURN(const auto keys, KeysOfService(catalog, arguments.service));
  ASSIGN_OR_RETURN(RequestRow row, ParseKeyArguments(arguments.service, keys, arguments.keys));
  if (!arguments.as_of.empty()) {
    ASSIGN_OR_RETURN(row.as_of_us, ParseAsOf(arguments.as_of));
  }
  v1::ExplainFeaturesRequest request;
  request.mutable_request()->set_feature_service(arguments.service);
  request.mutable_request()->set_event_id(arguments.event_id);
  FillRequest(keys, {&row, 1}, *request.mutable_request());
  v1::ExplainFeaturesResponse answer;
  RETURN_IF_ERROR(channel.ExplainFeatures(request, answer).status);
  return answer;
}

}  // namespace

void AddExplainCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "explain", "Asks a running server why each value of an entity is what it is");
  auto arguments = std::make_shared<ExplainArguments>();
  command->add_option("SERVICE", arguments->service, "Feature service")->required();
  command->add_option(
      "KEYS", arguments->keys,
      "The entity, and the service's inputs: name=value …; name:null where there is none");
  command
      ->add_option("--as-of", arguments->as_of,
                   "As of this time: RFC 3339, or microseconds since 1970")
      ->type_name("T");
  command
      ->add_option("--event-id", arguments->event_id,
                   "Id of the request's own event (count_request): not counted again where it was "
                   "applied already")
      ->type_name("ID");
  AddServerOptions(*command, arguments->server);
  command->add_option("--output", arguments->output, "table, or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->footer(
      "Example:\n  freshet explain airport_now origin=JFK --as-of 2013-06-01T00:00:00Z");
  command->callback([arguments, &run] {
    run = [arguments] {
      const auto answer = Ask(*arguments);
      if (!answer.ok()) return Fail(answer.status());
      fmt::print("{}", arguments->output == "json" ? AsJson(*answer) : AsTable(*answer));
      return 0;
    };
  });
}

}  // namespace freshet
