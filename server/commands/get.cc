#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include "server/client_channel.h"
#include "server/commands/commands.h"
#include "server/commands/feature_answer.h"
#include "server/commands/request_rows.h"

namespace freshet {
namespace {

// A call's rows at first; halved where the server takes fewer.
constexpr size_t kRowsPerCall = 1000;

struct GetArguments {
  std::string service;
  std::vector<std::string> keys;
  std::string rows_file;
  std::string as_of;
  std::string event_id;
  ServerArguments server;
  std::string output = "table";
};

StatusOr<std::vector<RequestRow>> RowsAsked(const GetArguments& arguments,
                                            std::span<const RequestKey> keys) {
  std::vector<RequestRow> rows;
  if (arguments.rows_file.empty()) {
    ASSIGN_OR_RETURN(RequestRow row, ParseKeyArguments(arguments.service, keys, arguments.keys));
    rows.push_back(std::move(row));
  } else if (arguments.rows_file == "-") {
    ASSIGN_OR_RETURN(rows, ReadRows(arguments.service, keys, std::cin, "standard input"));
  } else {
    std::ifstream file(arguments.rows_file);
    if (!file)
      return NotFound("{}: cannot be opened; --rows takes a file with a JSON object a line",
                      arguments.rows_file);
    ASSIGN_OR_RETURN(rows, ReadRows(arguments.service, keys, file, arguments.rows_file));
  }
  std::optional<int64_t> as_of;
  if (!arguments.as_of.empty()) {
    ASSIGN_OR_RETURN(as_of, ParseAsOf(arguments.as_of));
  }
  RETURN_IF_ERROR(FillAsOf(as_of, rows));
  return rows;
}

// Asks for `rows`, in as many calls as the server's limits ask for, and hands each call's answer on in order.
Status AskInCalls(ClientChannel& channel, const GetArguments& arguments,
                  std::span<const RequestKey> keys, std::span<const RequestRow> rows,
                  const std::function<Status(std::span<const RequestRow>,
                                             const v1::GetFeaturesResponse&)>& answered) {
  size_t per_call = kRowsPerCall;
  while (!rows.empty()) {
    const auto part = rows.first(std::min(per_call, rows.size()));
    v1::GetFeaturesRequest request;
    request.set_feature_service(arguments.service);
    request.set_event_id(arguments.event_id);
    request.set_event_times(true);
    FillRequest(keys, part, request);
    v1::GetFeaturesResponse response;
    const CallResult result = channel.GetFeatures(request, response);
    const bool too_much = result.reason == "TOO_MANY_ROWS" || result.reason == "RESPONSE_TOO_LARGE";
    if (too_much && part.size() > 1) {
      per_call = part.size() / 2;
      continue;
    }
    RETURN_IF_ERROR(result.status);
    RETURN_IF_ERROR(answered(part, response));
    rows = rows.subspan(part.size());
  }
  return OkStatus();
}

Status Print(const GetArguments& arguments, std::span<const RequestKey> keys,
             std::span<const RequestRow> rows, ClientChannel& channel) {
  const bool json = arguments.output == "json";
  FeatureAnswer all;  // a table's columns are as wide as its widest cell: printed at the end
  RETURN_IF_ERROR(AskInCalls(
      channel, arguments, keys, rows,
      [&](std::span<const RequestRow> part, const v1::GetFeaturesResponse& response) -> Status {
        ASSIGN_OR_RETURN(FeatureAnswer answer, DecodeAnswer(response));
        if (answer.rows.size() != part.size()) {
          return Internal("asked for {} rows, the server answered {}", part.size(),
                          answer.rows.size());
        }
        for (size_t i = 0; json && i < part.size(); ++i) {
          fmt::print("{}\n", RowAsJson(answer, i, keys, part[i]));
        }
        if (json) return OkStatus();
        answer.rows.insert(answer.rows.begin(), std::make_move_iterator(all.rows.begin()),
                           std::make_move_iterator(all.rows.end()));
        all = std::move(answer);
        return OkStatus();
      }));
  if (!json) fmt::print("{}", AnswerAsTable(all, keys, rows));
  return OkStatus();
}

int Get(const GetArguments& arguments) {
  const auto address = AddressOf(arguments.server);
  if (!address.ok()) return Fail(address.status());
  ClientChannel channel(*address);
  v1::DescribeCatalogResponse catalog;
  if (const CallResult result = channel.DescribeCatalog(arguments.service, catalog);
      !result.status.ok()) {
    return Fail(result.status);
  }
  const auto keys = KeysOfService(catalog, arguments.service);
  if (!keys.ok()) return Fail(keys.status());
  const auto rows = RowsAsked(arguments, *keys);
  if (!rows.ok()) return Fail(rows.status());
  const Status printed = Print(arguments, *keys, *rows, channel);
  return printed.ok() ? 0 : Fail(printed);
}

}  // namespace

void AddGetCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("get", "Asks a running server for a feature service's values");
  auto arguments = std::make_shared<GetArguments>();
  command->add_option("SERVICE", arguments->service, "Feature service")->required();
  auto* keys = command->add_option(
      "KEYS", arguments->keys,
      "The entity, and the service's inputs: name=value …; name:null where there is none");
  auto* rows = command->add_option(
      "--rows", arguments->rows_file,
      "A file with a JSON object a row: keys, inputs, and as_of where the row has a time of its "
      "own (--as-of where a key is named as_of); - is standard input");
  rows->type_name("FILE.jsonl")->excludes(keys);
  command
      ->add_option("--as-of", arguments->as_of,
                   "Values as of this time: RFC 3339, or microseconds since 1970")
      ->type_name("T");
  command
      ->add_option("--event-id", arguments->event_id,
                   "Id of the request's own event (count_request): not counted again where it was "
                   "applied already")
      ->type_name("ID");
  AddServerOptions(*command, arguments->server);
  command
      ->add_option("--output", arguments->output,
                   "table, or json: an object a row, in the order asked")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->footer(
      "Example:\n  freshet get departure_board origin=JFK carrier=B6 dest=LAX\n"
      "  freshet get departure_board --rows rows.jsonl --as-of 2013-06-01T00:00:00Z --output json");
  command->callback([arguments, &run] { run = [arguments] { return Get(*arguments); }; });
}

}  // namespace freshet
