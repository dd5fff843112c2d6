#include "server/commands/estimate.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "featurestore/declare/scalar_forms.h"
#include "server/commands/progress_bar.h"
#include "server/estimate.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

struct EstimateArguments {
  ProjectArguments project;
  std::vector<std::string> keys;
  std::vector<std::string> rates;
  std::string outage = "1h";
  EstimateInput input;
  bool measured = false;
  bool json = false;
};

constexpr double kMostNumber = 1e12;

// card=1e7
Status ReadNumbers(const std::vector<std::string>& texts, std::string_view option,
                   std::map<std::string, double>& numbers) {
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    const auto number = equals == std::string::npos
                            ? std::nullopt
                            : ReadReal(std::string_view(text).substr(equals + 1));
    if (!number || !(*number > 0) || *number > kMostNumber) {
      return InvalidArgument(
          "--{} {}: write a name and a number above 0 and up to 1e12, as in {}=1e6", option, text,
          text.substr(0, equals));
    }
    numbers[text.substr(0, equals)] = *number;
  }
  return OkStatus();
}

std::string Bytes(double bytes) {
  constexpr double kGiB = 1 << 30;
  constexpr double kMiB = 1 << 20;
  return bytes >= kGiB ? fmt::format("{:.1f} GiB", bytes / kGiB)
                       : fmt::format("{:.1f} MiB", bytes / kMiB);
}

std::string Count(double number) {
  return WithThousands(static_cast<uint64_t>(std::llround(number)));
}

std::string Time(std::optional<double> seconds, std::string_view never) {
  if (!seconds) return std::string(never);
  constexpr double kMinute = 60, kHour = 3600;
  const double unit = *seconds >= 2 * kHour ? kHour : *seconds >= 2 * kMinute ? kMinute : 1;
  return FormatDuration(
      Duration::Seconds(static_cast<int64_t>(std::max(1.0, std::ceil(*seconds / unit)) * unit)));
}

std::string AsText(const Estimate& estimate, const EstimateArguments& arguments,
                   const std::vector<MeasuredView>& measured) {
  const EstimateInput& input = arguments.input;
  std::string text;
  for (size_t i = 0; i < estimate.views.size(); ++i) {
    const ViewEstimate& view = estimate.views[i];
    text += fmt::format(
        "view {}: {} {}, {:.1f} events each within its windows\n"
        "  row      {:.0f} bytes, {:.1f} of {} panes filled; at most {} bytes\n"
        "  disk     {} compacted, {} at most\n"
        "  memory   {} for all of it\n",
        view.view, Count(view.keys), view.entity, view.events_per_key, view.row_bytes, view.panes,
        view.panes_max, view.row_bytes_max, Bytes(view.disk_bytes), Bytes(view.disk_bytes_max),
        Bytes(view.memory_bytes));
    if (i < measured.size()) {
      text += fmt::format("  measured {} rows of {:.0f} bytes, {} of table files\n",
                          WithThousands(measured[i].rows), measured[i].row_bytes,
                          Bytes(measured[i].disk_bytes));
    }
  }
  for (const SourceEstimate& source : estimate.sources) {
    text += fmt::format(
        "source {}: {} events a second\n"
        "  cores    {:.2f} busy, at {:.0f} ns an event, {:.0f} % of which read a row; {} events a "
        "second at most\n"
        "  catch-up {} after {}\n"
        "  log      to be kept {}; its views are built anew from it in {}\n",
        source.source, Count(source.rate), source.cores, source.event_ns, source.row_reads * 100,
        Count(source.rate_max), Time(source.catch_up_seconds, "never"),
        FormatDuration(input.outage),
        Time(source.retention ? std::optional(static_cast<double>(source.retention->us) / 1e6)
                              : std::nullopt,
             "for ever"),
        Time(source.rebuild_seconds, source.retention ? "never" : "a time that grows with it"));
  }
  text += fmt::format(
      "in all\n"
      "  storage.memory  {}, for {:.0f} % of data blocks in memory ({} of block cache)\n"
      "  process         {}\n"
      "  disk            {}, write-ahead log included; twice that while a view is rebuilt\n"
      "  cores           {:.1f} for ingestion, {:.0f} % busy; serving comes on top: 28 us a call "
      "of one row\n",
      FormatSize(static_cast<uint64_t>(estimate.memory_bytes)), input.hit_ratio * 100,
      Bytes(estimate.block_cache_bytes), Bytes(estimate.process_bytes), Bytes(estimate.disk_bytes),
      estimate.cores, assumed::kBusy * 100);
  text += fmt::format(
      "assumed: rows asked for all alike, events spread evenly; numbers that are short decimals; "
      "{:.0f} bytes a key and {:.0f} of "
      "RocksDB's a row; compression to {:.2f}, space amplification {:.2f}; {:.0f} ns of CPU an "
      "event of {:.0f} features "
      "(bench/README.md), of which {:.0f} % whatever the features, and {:.0f} ns a row that "
      "ingestion's cache does not hold\n",
      assumed::kKeyBytes, assumed::kEntryBytes, assumed::kCompression, assumed::kSpaceAmplification,
      input.event_ns, assumed::kMeasuredFeatures, assumed::kLeastEventShare * 100,
      assumed::kRowReadNs);
  return text;
}

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string AsJson(const Estimate& estimate, const EstimateArguments& arguments,
                   const std::vector<MeasuredView>& measured) {
  const EstimateInput& input = arguments.input;
  Json views = Json::array();
  for (size_t i = 0; i < estimate.views.size(); ++i) {
    const ViewEstimate& view = estimate.views[i];
    Json one = {{"view", view.view},
                {"entity", view.entity},
                {"keys", view.keys},
                {"events_per_key", view.events_per_key},
                {"panes", view.panes},
                {"panes_max", view.panes_max},
                {"row_bytes", view.row_bytes},
                {"row_bytes_max", view.row_bytes_max},
                {"disk_bytes", view.disk_bytes},
                {"disk_bytes_max", view.disk_bytes_max},
                {"memory_bytes", view.memory_bytes}};
    if (i < measured.size()) {
      one["measured"] = {{"rows", measured[i].rows},
                         {"row_bytes", measured[i].row_bytes},
                         {"disk_bytes", measured[i].disk_bytes}};
    }
    views.push_back(std::move(one));
  }
  Json sources = Json::array();
  for (const SourceEstimate& source : estimate.sources) {
    std::optional<double> retention;
    if (source.retention) retention = static_cast<double>(source.retention->us) / 1e6;
    sources.push_back({{"source", source.source},
                       {"rate", source.rate},
                       {"event_ns", source.event_ns},
                       {"row_reads", source.row_reads},
                       {"cores", source.cores},
                       {"rate_max", source.rate_max},
                       {"catch_up_seconds", OrNull(source.catch_up_seconds)},
                       {"retention_seconds", OrNull(retention)},
                       {"rebuild_seconds", OrNull(source.rebuild_seconds)}});
  }
  const Json all = {{"views", std::move(views)},
                    {"sources", std::move(sources)},
                    {"storage_memory_bytes", estimate.memory_bytes},
                    {"block_cache_bytes", estimate.block_cache_bytes},
                    {"process_bytes", estimate.process_bytes},
                    {"disk_bytes", estimate.disk_bytes},
                    {"cores", estimate.cores},
                    {"assumed",
                     {{"hit_ratio", input.hit_ratio},
                      {"event_ns", input.event_ns},
                      {"key_bytes", assumed::kKeyBytes},
                      {"entry_bytes", assumed::kEntryBytes},
                      {"compression", assumed::kCompression},
                      {"space_amplification", assumed::kSpaceAmplification},
                      {"row_read_ns", assumed::kRowReadNs},
                      {"busy", assumed::kBusy}}}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Status Print(EstimateArguments arguments) {
  RETURN_IF_ERROR(ReadNumbers(arguments.keys, "keys", arguments.input.keys));
  RETURN_IF_ERROR(ReadNumbers(arguments.rates, "rate", arguments.input.rates));
  // CLI11's checks let nan pass.
  for (const auto& [option, value] : {std::pair{"hit-ratio", arguments.input.hit_ratio},
                                      std::pair{"event-ns", arguments.input.event_ns}}) {
    if (!(value <= kMostNumber)) {
      return InvalidArgument("--{} {}: write a number up to 1e12", option, value);
    }
  }
  ASSIGN_OR_RETURN(arguments.input.outage, ReadDuration(arguments.outage, "1h"));
  const Project project = LoadOrExplain(arguments.project);
  if (project.catalog == nullptr) return InvalidArgument("mend the mistakes above");
  ASSIGN_OR_RETURN(const Estimate estimate, EstimateProject(*project.catalog, arguments.input));
  std::vector<MeasuredView> measured;
  if (arguments.measured) {
    ASSIGN_OR_RETURN(measured, MeasureFolder(*project.catalog));
  }
  fmt::print("{}", arguments.json ? AsJson(estimate, arguments, measured)
                                  : AsText(estimate, arguments, measured));
  return OkStatus();
}

}  // namespace

void AddEstimateCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "estimate", "Bytes a row, disk, memory, cores and log retention, before there is any data");
  auto arguments = std::make_shared<EstimateArguments>();
  AddProjectArguments(*command, arguments->project);
  command
      ->add_option("--keys", arguments->keys,
                   "How many of an entity have an event within their views' ttl; one for each")
      ->type_name("ENTITY=N")
      ->required();
  command->add_option("--rate", arguments->rates, "Events a second of a source; one for each")
      ->type_name("SOURCE=N")
      ->required();
  command->add_option("--outage", arguments->outage, "Time to catch up with")
      ->type_name("TIME")
      ->capture_default_str();
  command
      ->add_option("--hit-ratio", arguments->input.hit_ratio,
                   "Share of data blocks that are to be in memory")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str();
  command
      ->add_option("--event-ns", arguments->input.event_ns,
                   "CPU time of an event of ten features, measured on your machine")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--measured", arguments->measured,
                    "Beside it what the data folder holds; reads all of it");
  command->add_flag("--json", arguments->json, "JSON instead of text");
  command->footer("Example:\n  freshet estimate config/bench --keys card=1e7 --rate payments=5e4");
  command->callback([arguments, &run] {
    run = [arguments] {
      const Status printed = Print(*arguments);
      return printed.ok() ? 0 : Fail(printed);
    };
  });
}

}  // namespace freshet
