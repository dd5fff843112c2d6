#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "featurestore/declare/scalar_forms.h"
#include "server/commands/commands.h"
#include "server/doctor/rules.h"
#include "server/folder_facts.h"
#include "server/http_fetch.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::steady_clock;

constexpr int kNothingFound = 0;
constexpr int kFound = 1;
constexpr int kCannotLook = 3;  // 2 is usage

constexpr std::chrono::seconds kReadEvery{1};
constexpr std::chrono::seconds kAnswersWithin{10};

struct DoctorArguments {
  ProjectArguments project;  // "": no folder
  std::string address;
  std::string for_time = "10s";
  std::string output = "table";
};

// What was looked at, and what it showed.
struct Patient {
  std::string name;  // "server 127.0.0.1:7571", "folder data"
  bool server = false;
  Observed observed;
};

struct Answer {
  const Rule* rule;
  Verdict verdict;
};

StatusOr<Exposition> Ask(const std::string& address) {
  ASSIGN_OR_RETURN(const std::string text, FetchPage(address, "/metrics", kAnswersWithin));
  ASSIGN_OR_RETURN(Exposition metrics, Exposition::Parse(text));
  if (metrics.Of("freshet_build_info").empty()) {
    return FailedPrecondition(
        "{}/metrics is not a freshet server's; give --address with the admin address of one",
        address);
  }
  return metrics;
}

StatusOr<std::vector<Observed::Reading>> AskFor(const std::string& address, Duration time) {
  const auto start = steady_clock::now();
  std::vector<Observed::Reading> readings;
  while (true) {
    ASSIGN_OR_RETURN(Exposition metrics, Ask(address));
    const std::chrono::duration<double> at = steady_clock::now() - start;
    readings.push_back({at.count(), std::move(metrics)});
    if (at.count() * 1e6 >= static_cast<double>(time.us)) return readings;
    std::this_thread::sleep_for(kReadEvery);
  }
}

// Where the project's server listens, where that can be known.
std::string AdminAddress(const Catalog& catalog) {
  std::string address = catalog.server.admin;
  for (const std::string_view any : {"0.0.0.0:", "[::]:"}) {
    if (address.starts_with(any)) address.replace(0, any.size(), "127.0.0.1:");
  }
  return address;
}

StatusOr<Patient> LookAtServer(const std::string& address, Duration time) {
  ASSIGN_OR_RETURN(auto readings, AskFor(address, time));
  return Patient{"the server at " + address, true, Observed(std::move(readings))};
}

// The project's server, where one runs; else its data folder.
StatusOr<Patient> LookAtProject(const Catalog& catalog, const std::string& address, Duration time) {
  const auto asked = Ask(address);
  if (asked.ok() && asked->Of("freshet_catalog_info", {{"project", catalog.project}}).empty()) {
    return FailedPrecondition(
        "the server at {} is not of project {}; give --address with the one that is, or stop it",
        address, catalog.project);
  }
  if (asked.ok()) {
    ASSIGN_OR_RETURN(auto readings, AskFor(address, time));
    RETURN_IF_ERROR(AddExpiredRows(catalog, readings.back().metrics));
    return Patient{fmt::format("the server at {} and its folder {}", address, catalog.storage.path),
                   true, Observed(std::move(readings))};
  }
  ASSIGN_OR_RETURN(Exposition metrics, ReadFolderMetrics(catalog));
  RETURN_IF_ERROR(AddExpiredRows(catalog, metrics));
  std::vector<Observed::Reading> readings(1);
  readings[0].metrics = std::move(metrics);
  return Patient{fmt::format("folder {}; no server answers at {}", catalog.storage.path, address),
                 false, Observed(std::move(readings))};
}

std::vector<Answer> AskRules(const Patient& patient) {
  std::vector<Answer> answers;
  for (const auto& rules : {StorageRules(), ServerRules()}) {
    for (const Rule& rule : rules) {
      Verdict verdict;
      if (rule.needs_server && !patient.server) {
        verdict.not_known = "it takes a running server";
      } else {
        verdict = rule.check(patient.observed);
      }
      answers.push_back({&rule, std::move(verdict)});
    }
  }
  return answers;
}

size_t CountFindings(const std::vector<Answer>& answers) {
  size_t count = 0;
  for (const Answer& answer : answers) count += answer.verdict.findings.size();
  return count;
}

std::string AsText(const Patient& patient, const std::vector<Answer>& answers) {
  std::string text = patient.name;
  if (patient.server) text += fmt::format(", for {:.0f} s", patient.observed.seconds());
  text += "\n\n";
  for (const Answer& answer : answers) {
    for (const Finding& finding : answer.verdict.findings) {
      text += fmt::format("{:<8} {}\n  what    {}\n  change  {}\n  why     {}\n\n",
                          SeverityName(finding.severity), answer.rule->name, finding.what,
                          finding.change, finding.why);
    }
  }
  for (const Answer& answer : answers) {
    if (answer.verdict.not_known.empty()) continue;
    text += fmt::format("not known: {}: {}\n", answer.rule->name, answer.verdict.not_known);
  }
  const size_t found = CountFindings(answers);
  return text + (found == 0   ? "nothing found\n"
                 : found == 1 ? "1 finding\n"
                              : fmt::format("{} findings\n", found));
}

std::string AsJson(const Patient& patient, const std::vector<Answer>& answers) {
  Json findings = Json::array();
  Json unknown = Json::array();
  for (const Answer& answer : answers) {
    for (const Finding& finding : answer.verdict.findings) {
      findings.push_back({{"rule", answer.rule->name},
                          {"severity", SeverityName(finding.severity)},
                          {"what", finding.what},
                          {"change", finding.change},
                          {"why", finding.why}});
    }
    if (!answer.verdict.not_known.empty()) {
      unknown.push_back({{"rule", answer.rule->name}, {"why", answer.verdict.not_known}});
    }
  }
  const Json all = {{"looked_at", patient.name},
                    {"seconds", patient.observed.seconds()},
                    {"findings", std::move(findings)},
                    {"not_known", std::move(unknown)}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

StatusOr<Patient> Look(const DoctorArguments& arguments) {
  ASSIGN_OR_RETURN(const Duration time, ReadDuration(arguments.for_time, "10s"));
  if (arguments.project.folder.empty()) {
    if (!arguments.project.sets.empty()) {
      return InvalidArgument("--set is for a project's settings; give DIR too, or leave it out");
    }
    return LookAtServer(arguments.address.empty() ? ServerSettings().admin : arguments.address,
                        time);
  }
  const Project project = LoadOrExplain(arguments.project);
  if (project.catalog == nullptr) {
    return InvalidArgument("mend the mistakes above, or give --address alone");
  }
  const std::string address =
      arguments.address.empty() ? AdminAddress(*project.catalog) : arguments.address;
  return LookAtProject(*project.catalog, address, time);
}

int Doctor(const DoctorArguments& arguments) {
  const auto patient = Look(arguments);
  if (!patient.ok()) {
    Fail(patient.status());
    return kCannotLook;
  }
  const std::vector<Answer> answers = AskRules(*patient);
  fmt::print("{}",
             arguments.output == "json" ? AsJson(*patient, answers) : AsText(*patient, answers));
  return CountFindings(answers) == 0 ? kNothingFound : kFound;
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "doctor",
      "Says what is wrong with a running server or a data folder, and which setting to change to "
      "what");
  auto arguments = std::make_shared<DoctorArguments>();
  command->add_option("DIR", arguments->project.folder,
                      "Project folder: its server is asked where one runs, and its data folder "
                      "read; without it the server alone");
  AddSetOption(*command, arguments->project);
  command
      ->add_option("--address", arguments->address,
                   fmt::format("The server's admin address; without it the project's, else {}",
                               ServerSettings().admin))
      ->type_name("HOST:PORT");
  command
      ->add_option("--for", arguments->for_time, "How long a running server is watched, for rates")
      ->type_name("TIME")
      ->capture_default_str();
  command->add_option("--output", arguments->output, "table, or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->footer(
      "Exit status: 0 nothing found, 1 something found, 3 nothing could be looked at.\n"
      "Example:\n  freshet doctor config/quickstart\n  freshet doctor --address 10.0.0.1:7571 "
      "--for 1m");
  command->callback([arguments, &run] { run = [arguments] { return Doctor(*arguments); }; });
}

}  // namespace freshet
