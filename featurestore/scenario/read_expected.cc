#include "featurestore/scenario/read_expected.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "featurestore/declare/scalar_forms.h"
#include "featurestore/scenario/expected_value.h"

namespace freshet {
namespace {

bool IsCellForm(const YamlNode& node) {
  static const std::set<std::string_view> kWords = {"status", "value", "degraded", "tolerance"};
  return node.kind == YamlNode::Kind::kMap && !node.entries.empty() &&
         std::all_of(node.entries.begin(), node.entries.end(),
                     [](const YamlEntry& entry) { return kWords.contains(entry.key); });
}

bool ReadCellForm(const YamlNode& node, Diagnostics& diagnostics, ExpectedCell& cell) {
  if (const YamlEntry* value = node.FindEntry("value")) cell.value = value->value;
  if (const YamlEntry* status = node.FindEntry("status")) {
    std::vector<std::string> names;
    bool found = false;
    for (int i = 1; i <= static_cast<int>(CellStatus::kError); ++i) {
      const auto one = static_cast<CellStatus>(i);
      names.emplace_back(CellStatusName(one));
      if (status->value.text != names.back()) continue;
      cell.status = one;
      found = true;
    }
    if (!found) {
      diagnostics.Error(status->value.place,
                        fmt::format("unknown status {}{}", status->value.Shown(),
                                    diagnostics.Suggest(status->value.text, names)));
      return false;
    }
  }
  if (const YamlEntry* degraded = node.FindEntry("degraded")) {
    if (degraded->value.text != "true" && degraded->value.text != "false") {
      diagnostics.Error(degraded->value.place, "degraded is true or false");
      return false;
    }
    cell.degraded = degraded->value.text == "true";
  }
  if (const YamlEntry* tolerance = node.FindEntry("tolerance")) {
    const auto within = ReadReal(tolerance->value.text);
    if (!within) {
      diagnostics.Error(tolerance->value.place, "tolerance is a number such as 1e-6");
      return false;
    }
    cell.tolerance = *within;
  }
  return true;
}

}  // namespace

void ReadExpectedCell(const YamlEntry& entry, double tolerance, Diagnostics& diagnostics,
                      ScenarioLookup& lookup) {
  const auto& columns = lookup.plan->columns;
  const auto column = std::find_if(columns.begin(), columns.end(),
                                   [&](const PlanColumn& one) { return one.name == entry.key; });
  if (column == columns.end()) {
    std::vector<std::string> names;
    for (const PlanColumn& one : columns) names.push_back(one.name);
    diagnostics.Error(entry.key_place, fmt::format("the lookup answers no feature {}{}", entry.key,
                                                   diagnostics.Suggest(entry.key, names)));
    return;
  }
  ExpectedCell cell;
  cell.place = entry.key_place;
  cell.column = static_cast<uint32_t>(column - columns.begin());
  cell.tolerance = tolerance;
  const YamlNode& node = entry.value;
  if (node.kind == YamlNode::Kind::kNull) {
    cell.status = CellStatus::kNullValue;
  } else if (IsCellForm(node)) {
    if (!ReadCellForm(node, diagnostics, cell)) return;
  } else {
    cell.value = node;
  }
  if (cell.value) {
    const std::string mistake = ValueMistake(*cell.value, column->type);
    if (!mistake.empty()) {
      diagnostics.Error(cell.value->place, fmt::format("{}: {}", entry.key, mistake));
      return;
    }
  }
  lookup.expect.push_back(std::move(cell));
}

}  // namespace freshet
