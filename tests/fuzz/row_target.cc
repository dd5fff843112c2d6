// A stored row: whatever a disk gives back is refused, or is a row that can be read, explained, added to and written again.
// The first byte chooses the view; the version's tag is set right, since a wrong one is refused before anything is read.
#include <numeric>
#include <vector>

#include "featurestore/state/explain.h"
#include "featurestore/state/row.h"
#include "tests/fuzz/fuzz_project.h"
#include "tests/fuzz/fuzz_target.h"

namespace freshet::fuzz {
namespace {

std::string Bytes(Row& row) {
  std::string bytes;
  row.Encode(bytes);
  return bytes;
}

void Read(const Row& row, const ReadTime& read, size_t features) {
  std::vector<uint32_t> all(features);
  std::iota(all.begin(), all.end(), 0);
  std::vector<Cell> cells(features);
  row.Finish(read, all, cells);
  row.FinishWithoutDefaults(read, all, cells);
  if (!row.empty()) ExplainRow(row, read, all);
  row.EventTimeAsOf(read);
}

void ReadAtTimes(const Row& row, size_t features) {
  Read(row, {kRowsEnd, {}}, features);
  Read(row, {kRowsEnd, kRowsEnd - Duration::Hours(1)}, features);
  Read(row, {Timestamp::Max(), {}}, features);
  Read(row, {Timestamp::Min(), {}}, features);
  Read(row, {row.newest(), {}}, features);
}

}  // namespace

void Run(std::string_view input) {
  const Catalog& catalog = FuzzCatalog();
  const size_t view = TakeByte(input) % catalog.views.size();
  const RowLayout& layout = *catalog.layouts[view];
  std::string bytes(input);
  SetVersionTag(layout, bytes);
  PeekTimes(bytes);
  auto row = Row::Decode(layout, bytes);
  if (!row.ok()) {
    if (row.status().code() != absl::StatusCode::kDataLoss) {
      Finding("a damaged row is " + row.status().ToString());
    }
    return;
  }
  const size_t features = catalog.views[view].features.size();
  ReadAtTimes(*row, features);
  const std::string written = Bytes(*row);
  auto again = Row::Decode(layout, written);
  if (!again.ok()) Finding("as it was decoded it is written so that it does not decode");
  if (Bytes(*again) != written) Finding("written again it has other bytes");
  FuzzEvents events(catalog, view);
  for (uint64_t n = 0; n < 3; ++n) {
    row->Apply(events.Event(n, kRowsEnd + Duration::Minutes(static_cast<int64_t>(n) * 20 - 20)));
    if (!Row::Decode(layout, Bytes(*row)).ok()) {
      Finding("with an event more it is written so that it does not decode");
    }
  }
  ReadAtTimes(*row, features);
  row->Delete(kRowsEnd);
  if (!Row::Decode(layout, Bytes(*row)).ok())
    Finding("deleted it is written so that it does not decode");
}

}  // namespace freshet::fuzz
