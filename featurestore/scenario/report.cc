#include "featurestore/scenario/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

std::string Xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // Control characters are no XML.
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return out;
}

std::string Plural(size_t n, std::string_view one) {
  return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s");
}

std::string FailureAsText(const ScenarioFailure& failure) {
  std::string text = fmt::format("      {}: {}\n        expected  {}\n        got       {}\n",
                                 failure.place, failure.what, failure.expected, failure.got);
  if (!failure.why.empty()) text += fmt::format("        why       {}\n", failure.why);
  return text;
}

size_t Failed(const TestReport& report) {
  return static_cast<size_t>(
      std::count_if(report.scenarios.begin(), report.scenarios.end(),
                    [](const ScenarioReport& one) { return !one.passed(); }));
}

}  // namespace

bool TestReport::passed() const { return mistakes.empty() && Failed(*this) == 0; }

std::string AsText(const ScenarioReport& scenario) {
  if (scenario.passed()) {
    return fmt::format("ok    {} ({})\n", scenario.name, Plural(scenario.result.checks, "check"));
  }
  std::string text = fmt::format("FAIL  {} ({})\n", scenario.name, scenario.file);
  if (!scenario.error.empty()) text += fmt::format("      {}\n", scenario.error);
  for (const ScenarioFailure& failure : scenario.result.failures) text += FailureAsText(failure);
  return text;
}

std::string Summary(const TestReport& report) {
  const size_t failed = Failed(report);
  std::string text =
      fmt::format("{}: {} passed, {} failed", Plural(report.scenarios.size(), "scenario"),
                  report.scenarios.size() - failed, failed);
  if (!report.mistakes.empty()) {
    text += fmt::format(", {} in scenario files", Plural(report.mistakes.size(), "mistake"));
  }
  return text + fmt::format("; {:.2f} s\n", report.seconds);
}

std::string AsJson(const TestReport& report) {
  Json scenarios = Json::array();
  for (const ScenarioReport& one : report.scenarios) {
    Json failures = Json::array();
    for (const ScenarioFailure& failure : one.result.failures) {
      failures.push_back({{"place", failure.place},
                          {"what", failure.what},
                          {"expected", failure.expected},
                          {"got", failure.got},
                          {"why", failure.why}});
    }
    Json scenario = {{"scenario", one.name},
                     {"file", one.file},
                     {"rules", one.rules},
                     {"passed", one.passed()},
                     {"checks", one.result.checks},
                     {"seconds", one.result.seconds},
                     {"failures", std::move(failures)}};
    if (!one.error.empty()) scenario["error"] = one.error;
    scenarios.push_back(std::move(scenario));
  }
  Json mistakes = Json::array();
  for (const Diagnostic& mistake : report.mistakes) mistakes.push_back(ToString(mistake));
  const Json all = {{"passed", report.passed()},
                    {"scenarios", std::move(scenarios)},
                    {"mistakes", std::move(mistakes)},
                    {"seconds", report.seconds}};
  // What a scenario quotes may be any bytes.
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string AsJUnit(const TestReport& report) {
  std::string text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"freshet\" tests=\"{}\" "
      "failures=\"{}\" errors=\"{}\" time=\"{:.3f}\">\n",
      report.scenarios.size() + report.mistakes.size(), Failed(report), report.mistakes.size(),
      report.seconds);
  for (const ScenarioReport& one : report.scenarios) {
    text += fmt::format("  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\">", Xml(one.file),
                        Xml(one.name), one.result.seconds);
    if (!one.passed()) {
      std::string details = one.error;
      for (const ScenarioFailure& failure : one.result.failures) details += FailureAsText(failure);
      text += fmt::format("<failure message=\"{}\">{}</failure>",
                          Xml(one.error.empty() ? one.result.failures.front().what : one.error),
                          Xml(details));
    }
    text += "</testcase>\n";
  }
  for (const Diagnostic& mistake : report.mistakes) {
    text +=
        fmt::format("  <testcase classname=\"{}\" name=\"{}\"><error message=\"{}\"/></testcase>\n",
                    Xml(mistake.file), Xml(ToString(mistake)), Xml(mistake.text));
  }
  return text + "</testsuite>\n";
}

}  // namespace freshet
