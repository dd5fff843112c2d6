#include "tests/property/tally.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace freshet::property {
namespace {

double Percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void Tally::Count(const Feature& feature, const oracle::Expected& expected) {
  ++cells;
  ++by_cell[feature.aggregate][static_cast<size_t>(ShapeOf(feature.window))];
  ++by_status[std::string(CellStatusName(expected.status))];
  degraded += expected.degraded ? 1 : 0;
  sketched += expected.sketch_error ? 1 : 0;
  undetermined += expected.undetermined ? 1 : 0;
  const CellStatus status = expected.status;
  if (status == CellStatus::kPresent || status == CellStatus::kNullValue ||
      status == CellStatus::kError) {
    ++windows;
    empty_windows += expected.values == 0 ? 1 : 0;
  }
}

void Tally::Count(const Case& c) {
  ++streams;
  streams_in_order += c.in_order ? 1 : 0;
  refused += static_cast<uint64_t>(c.declared.refused);
  if (c.declared.refused > 0) last_refusal = c.declared.last_refusal;
  for (const Step& step : c.steps) {
    if (step.kind == Step::Kind::kReopen) ++reopened;
    if (step.kind != Step::Kind::kApply) continue;
    ++events;
    events_at_an_edge += step.at_an_edge ? 1 : 0;
  }
}

uint64_t Tally::least() const {
  uint64_t least = UINT64_MAX;
  for (const CellKind& cell : LegalCells()) {
    const auto found = by_cell.find(cell.aggregate);
    least = std::min(least,
                     found == by_cell.end() ? 0 : found->second[static_cast<size_t>(cell.shape)]);
  }
  return least;
}

void Tally::Print(double seconds) const {
  std::vector<std::string> left_out;
  std::map<std::string, std::array<bool, kShapes>> legal;
  for (const CellKind& cell : LegalCells(&left_out)) {
    legal[cell.aggregate][static_cast<size_t>(cell.shape)] = true;
  }
  fmt::print("{:<17}", "comparisons");
  for (int shape = 0; shape < kShapes; ++shape) fmt::print("{:>12}", ShapeName(Shape{shape}));
  fmt::print("\n");
  for (const auto& [aggregate, shapes] : legal) {
    fmt::print("{:<17}", aggregate);
    const auto found = by_cell.find(aggregate);
    for (size_t shape = 0; shape < kShapes; ++shape) {
      if (shapes[shape]) {
        fmt::print("{:>12}", found == by_cell.end() ? 0 : found->second[shape]);
      } else {
        fmt::print("{:>12}", "-");  // declare refuses it
      }
    }
    fmt::print("\n");
  }
  for (const auto& [status, count] : by_status) fmt::print("{} {}  ", status, count);
  fmt::print("\n{} comparisons of cells, at least {} for each of {} legal cells\n", cells, least(),
             LegalCells().size());
  fmt::print("of {} windows read {:.1f}% were empty; {} degraded, {} sketched, {} undetermined\n",
             windows, Percent(empty_windows, windows), degraded, sketched, undetermined);
  fmt::print(
      "{} streams, {:.1f}% in order; {} events, {:.1f}% within 1 us of an edge, {} late, "
      "{} duplicates; {} deletes; {} "
      "batches "
      "ended; {} declarations refused\n",
      streams, Percent(streams_in_order, streams), events, Percent(events_at_an_edge, events), late,
      duplicates, deletes,
      reopened, refused);
  if (!left_out.empty()) fmt::print("not asked of the oracle: {}\n", fmt::join(left_out, ", "));
  fmt::print("{:.1f} s\n", seconds);
}

}  // namespace freshet::property
