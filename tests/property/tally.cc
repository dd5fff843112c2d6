#include "tests/property/tally.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

namespace freshet::property {
namespace {

double Percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

// Whether a partition has no record for a third of a stream of some length.
bool HasIdle(const std::vector<int32_t>& partitions) {
  if (partitions.size() < 15) return false;
  std::array<size_t, 3> since{};
  for (size_t i = 0; i <= partitions.size(); ++i) {
    for (size_t p = 0; p < since.size(); ++p) {
      if ((i - since[p]) * 3 > partitions.size()) return true;
      if (i < partitions.size() && partitions[i] == static_cast<int32_t>(p)) since[p] = i + 1;
    }
  }
  return false;
}

}  // namespace

void Tally::Count(const Feature& feature, const oracle::Expected& expected) {
  ++cells;
  ++by_cell[FormName(feature)][static_cast<size_t>(ShapeOf(feature.window))];
  ++by_status[std::string(CellStatusName(expected.status))];
  cells_with_where += feature.where ? 1 : 0;
  degraded += expected.degraded ? 1 : 0;
  sketched += expected.sketch_error ? 1 : 0;
  undetermined += expected.undetermined ? 1 : 0;
  const CellStatus status = expected.status;
  if (status == CellStatus::kPresent || status == CellStatus::kNullValue ||
      status == CellStatus::kError) {
    const auto shape = static_cast<size_t>(ShapeOf(feature.window));
    ++windows;
    ++windows_of[shape];
    if (expected.values == 0) {
      ++empty_windows;
      ++empty_windows_of[shape];
    }
  }
}

void Tally::Count(const Case& c) {
  ++streams;
  refused += static_cast<uint64_t>(c.declared.refused);
  if (c.declared.refused > 0) last_refusal = c.declared.last_refusal;
  const Source& source = c.declared.source;
  streams_with_derive += source.FieldIndex("d0") ? 1 : 0;
  streams_with_where += source.fields.size() > source.named_fields ? 1 : 0;

  std::set<Timestamp> times;
  std::vector<int32_t> partitions;
  bool out_of_order = false;
  for (const Step& step : c.steps) {
    reopened += step.kind == Step::Kind::kReopen ? 1 : 0;
    compactions += step.kind == Step::Kind::kCompact ? 1 : 0;
    reads += step.kind == Step::Kind::kRead ? 1 : 0;
    reads_of_the_past += step.as_of && *step.as_of < step.now ? 1 : 0;
    if (step.kind != Step::Kind::kApply) continue;
    ++events;
    events_at_an_edge += step.at_an_edge ? 1 : 0;
    if (!times.empty()) {
      out_of_order |= step.time < *times.rbegin();
      gaps += step.time > *times.rbegin() + c.declared.scale ? 1 : 0;
    }
    events_of_equal_time += times.insert(step.time).second ? 0 : 1;
    partitions.push_back(step.at.partition);
  }
  streams_out_of_order += out_of_order ? 1 : 0;
  streams_with_idle += HasIdle(partitions) ? 1 : 0;
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
  fmt::print("{:<17}", "% empty");
  for (size_t shape = 0; shape < kShapes; ++shape) {
    fmt::print("{:>12.1f}", Percent(empty_windows_of[shape], windows_of[shape]));
  }
  fmt::print("\n");
  for (const auto& [status, count] : by_status) fmt::print("{} {}  ", status, count);
  fmt::print("\n{} comparisons of cells, at least {} for each of {} legal cells\n", cells, least(),
             LegalCells().size());
  fmt::print("of {} windows read {:.1f}% were empty; {} degraded, {} sketched, {} undetermined\n",
             windows, Percent(empty_windows, windows), degraded, sketched, undetermined);
  fmt::print(
      "{} streams: {:.1f}% out of order, {:.1f}% with an idle partition, {:.1f}% with derive, "
      "{:.1f}% with where; {} "
      "declarations refused\n",
      streams, Percent(streams_out_of_order, streams), Percent(streams_with_idle, streams),
      Percent(streams_with_derive, streams), Percent(streams_with_where, streams), refused);
  fmt::print(
      "{} events: {:.1f}% within 1 us of an edge, {:.1f}% of a time that their stream has already, "
      "{:.1f}% after a gap, {} "
      "late, {} duplicates, {} deletes, {} not passed on by a where, {} nulls of failed "
      "expressions\n",
      events, Percent(events_at_an_edge, events), Percent(events_of_equal_time, events),
      Percent(gaps, events), late, duplicates, deletes, filtered, expression_errors);
  fmt::print(
      "{} batches ended by encoding and decoding the row; {} compactions removed {} rows; {} "
      "reads, {:.1f}% of the "
      "past; {} cells with a where of their own\n",
      reopened, compactions, removed, reads, Percent(reads_of_the_past, reads), cells_with_where);
  if (!left_out.empty()) fmt::print("not asked of the oracle: {}\n", fmt::join(left_out, ", "));
  fmt::print("{:.1f} s\n", seconds);
}

}  // namespace freshet::property
