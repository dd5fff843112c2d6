// Sentences of semantics.md, "Deletes" and "Producers that send twice", on one row.
#include <catch2/catch.hpp>
#include <random>

#include "featurestore/state/row.h"
#include "tests/unit/state/row_fixture.h"

namespace freshet {
namespace {

// A row of a source with dedup by shop (and points), whose events are of one amount.
struct DedupFixture {
  explicit DedupFixture(Duration within, uint32_t max_ids = 100, std::vector<uint32_t> by = {1}) {
    source = Fields();
    source.dedup = Dedup{std::move(by), within, max_ids};
    view.name = "v";
    view.version = "0123456789abcdef";
    view.features = {Over("count", std::nullopt, kMinute), Over("count", std::nullopt, {})};
    view.features[1].name = "n";
    view.ttl = std::nullopt;
    view.lateness = Duration::Minutes(10);
    view.dedup_within = within;
    layout = *RowLayout::Compile(view, source);
    row.emplace(*layout);
  }
  Applied Add(Timestamp t, Value id, Value points = Value::Int64(1)) {
    const std::array values = {Value::Double(1), id, points};
    return row->Apply({t, {0, 0, ++offset}, values});
  }
  int64_t Count() {
    const uint32_t lifetime = 1;
    Cell cell;
    row->Finish({row->newest(), std::nullopt}, {&lifetime, 1}, {&cell, 1});
    return cell.value.as_int64();
  }
  std::string Bytes() {
    std::string bytes;
    row->Encode(bytes);
    return bytes;
  }
  void Reopen() { row = *Row::Decode(*layout, Bytes()); }

  Source source;
  FeatureView view;
  std::shared_ptr<const RowLayout> layout;
  std::optional<Row> row;
  int64_t offset = 0;
};

const Value kA = Value::Text("a");
const Value kB = Value::Text("b");

}  // namespace

TEST_CASE("what was applied before a delete is dropped, what follows counts") {
  Fixture f({Over("count", std::nullopt, kMinute), Over("max", 0, kLifetimeWindow)}, {},
            std::nullopt);
  f.Add(At(0), Value::Double(9));
  f.Add(At(1), Value::Double(8));
  f.row->Delete(At(2));
  CHECK(f.row->empty());
  f.Add(At(1), Value::Double(3));  // older than the delete, and after it in the log
  CHECK(f.Now(At(5)).value.as_int64() == 1);
  CHECK(f.Now(At(5), 1).value.as_double() == 3);
  CHECK(f.row->newest() == At(1));
}

TEST_CASE("after a delete, until another event: NOT_FOUND") {
  Feature count = Over("count", std::nullopt, kMinute);
  count.default_value = int64_t{-1};
  Fixture f({count});
  f.Add(At(0));
  f.row->Delete(At(2));
  CHECK(f.Now(At(2)).status == CellStatus::kNotFound);
  CHECK(f.Now(At(2)).value.as_int64() == -1);
  CHECK(f.Now(At(1)).status == CellStatus::kNotFound);  // now, whatever the delete's own time
  CHECK(f.time == std::nullopt);
  f.row = *Row::Decode(*f.layout, f.Bytes());
  CHECK(f.Now(At(2)).status == CellStatus::kNotFound);
  f.Add(At(3));
  CHECK(f.Now(At(4)).status == CellStatus::kPresent);
}

TEST_CASE("at an as_of before a delete: OUTSIDE_HISTORY, for as long as history reaches") {
  Feature count = Over("count", std::nullopt, kMinute);
  count.default_value = int64_t{-1};
  Fixture f({count}, Duration::Hours(1));
  f.Add(At(0));
  f.row->Delete(At(100));
  for (const bool event_since : {false, true}) {
    if (event_since) f.Add(At(200));
    CHECK(f.AsOf(At(100) - Duration{1}, At(300)).status == CellStatus::kOutsideHistory);
    CHECK(f.AsOf(At(100) - Duration{1}, At(300)).value.is_null());
    CHECK(f.time == std::nullopt);
    CHECK(f.AsOf(At(100), At(300)).status == CellStatus::kNotFound);
    f.row = *Row::Decode(*f.layout, f.Bytes());
  }
  CHECK(f.AsOf(At(210), At(300)).value.as_int64() == 1);
  // Of two deletes nothing before the later is known.
  f.row->Delete(At(50));
  CHECK(f.AsOf(At(99), At(300)).status == CellStatus::kOutsideHistory);
  CHECK(f.AsOf(At(100), At(300)).status == CellStatus::kNotFound);
}

TEST_CASE("a row that was never deleted has the bytes that it always had") {
  Fixture f({Over("count", std::nullopt, kMinute)}, Duration::Hours(1));
  f.Add(At(7200));
  const std::string never = f.Bytes();
  CHECK(never[0] == kRowFormat);
  Fixture again({Over("count", std::nullopt, kMinute)}, Duration::Hours(1));
  again.Add(At(0));
  again.row->Delete(At(7200) - Duration::Hours(1));
  again.Add(At(7200));
  CHECK(again.Bytes() == never);  // no as_of reaches before the delete any more
  CHECK(PeekTimes(never)->deleted == std::nullopt);
}

TEST_CASE("a deleted row takes 11 bytes, and tells its times without its layout") {
  Fixture f({Over("count", std::nullopt, kMinute)}, Duration::Hours(1));
  f.Add(At(0));
  f.row->Delete(At(100));
  const std::string marker = f.Bytes();
  CHECK(marker.size() == 11);
  CHECK(PeekTimes(marker)->newest == std::nullopt);
  CHECK(PeekTimes(marker)->deleted == At(100));
  CHECK(PeekNewest(marker) == std::nullopt);
  f.Add(At(50));
  const std::string since = f.Bytes();
  CHECK(PeekTimes(since)->newest == At(50));
  CHECK(PeekTimes(since)->deleted == At(100));
  CHECK(PeekNewest(since) == At(50));
}

TEST_CASE("damaged bytes of deleted rows are DATA_LOSS or a row that can be used") {
  Fixture f({Over("sum", 0, kMinute)}, Duration::Hours(1));
  f.row->Delete(At(100));
  const std::string marker = f.Bytes();
  CHECK_FALSE(Row::Decode(*f.layout, marker + "x").ok());
  f.Add(At(101));
  const std::string since = f.Bytes();
  REQUIRE(since[0] == kRowFormatAfterDelete);
  for (size_t size = 0; size < since.size(); ++size) {
    CHECK_FALSE(Row::Decode(*f.layout, since.substr(0, size)).ok());
  }
  // A delete that long ago is not stored.
  Fixture longer({Over("sum", 0, kMinute)}, Duration::Hours(2));
  longer.row->Delete(At(0) - Duration::Minutes(90));
  longer.Add(At(0));
  CHECK_FALSE(Row::Decode(*f.layout, longer.Bytes()).ok());
  const uint64_t seed = 7;
  std::mt19937_64 random(seed);
  for (int i = 0; i < 5'000; ++i) {
    std::string bytes = i % 2 == 0 ? marker : since;
    bytes[random() % bytes.size()] = static_cast<char>(random());
    auto row = Row::Decode(*f.layout, bytes);
    if (!row.ok()) continue;
    const uint32_t sum = 0;
    Cell cell;
    row->Finish({At(200), At(50)}, {&sum, 1}, {&cell, 1});
    row->Delete(At(300));
    std::string again;
    row->Encode(again);
  }
}

TEST_CASE("an event whose id was applied to the row within that event time is skipped") {
  DedupFixture f(Duration::Seconds(60));
  CHECK(f.Add(At(0), kA) == Applied::kChanged);
  CHECK(f.Add(At(0), kA) == Applied::kDuplicate);
  CHECK(f.Add(At(0), kB) == Applied::kChanged);
  CHECK(f.Add(At(60), kA) == Applied::kDuplicate);  // 60 s later: within
  CHECK(f.row->newest() == At(0));                  // it moved nothing
  CHECK(f.Count() == 2);
  f.Reopen();
  CHECK(f.Add(At(5), kB) == Applied::kDuplicate);
  CHECK(f.Add(At(60) + Duration{1}, kA) == Applied::kChanged);
  CHECK(f.Count() == 3);
  // As far back as the row's newest less 60 s: b is forgotten, a is known by its second time.
  CHECK(f.Add(At(0), kB) == Applied::kChanged);
  CHECK(f.Add(At(1), kA) == Applied::kDuplicate);
  CHECK(f.Add(At(0), kA) == Applied::kChanged);  // more than 60 s before the one that is known
}

TEST_CASE("an id is all of its fields, and an event that lacks one has none") {
  DedupFixture f(Duration::Seconds(60), 100, {1, 2});
  CHECK(f.Add(At(0), kA, Value::Int64(1)) == Applied::kChanged);
  CHECK(f.Add(At(0), kA, Value::Int64(2)) == Applied::kChanged);
  CHECK(f.Add(At(0), kA, Value::Int64(1)) == Applied::kDuplicate);
  CHECK(f.Add(At(0), kA, Value()) == Applied::kChanged);
  CHECK(f.Add(At(0), kA, Value()) == Applied::kChanged);
}

TEST_CASE("beyond max_ids the oldest id is forgotten, and told") {
  DedupFixture f(Duration::Minutes(10), 3);
  for (int i = 0; i < 3; ++i) f.Add(At(i), Value::Text(std::string(1, static_cast<char>('a' + i))));
  CHECK(f.row->TakeForgottenIds() == 0);
  f.Add(At(3), Value::Text("d"));
  CHECK(f.row->TakeForgottenIds() == 1);
  CHECK(f.Add(At(1), kB) == Applied::kDuplicate);
  CHECK(f.Add(At(0), kA) == Applied::kChanged);  // forgotten: it counts again
  CHECK(f.Count() == 5);
  CHECK(f.row->TakeForgottenIds() == 1);  // itself: all others are newer
}

TEST_CASE("a delete drops the ids too") {
  DedupFixture f(Duration::Minutes(10));
  f.Add(At(0), kA);
  f.row->Delete(At(1));
  CHECK(f.Add(At(0), kA) == Applied::kChanged);
}

TEST_CASE("the ids of a row take the bytes that validate prints at most") {
  DedupFixture f(Duration::Days(300), 1000);
  const RowSize size = f.layout->size();
  CHECK(size.ids_max == 1000);
  const size_t before = f.Bytes().size();
  CHECK(before <= size.bytes_one_event + 10);
  for (int i = 0; i < 3000; ++i) {
    f.Add(At(0) + Duration{i * 8'640'001'237LL}, Value::Text(std::to_string(i)));
  }
  const std::string bytes = f.Bytes();
  CHECK(bytes.size() <= size.bytes_max);
  CHECK(bytes.size() > 1000 * 8);
  REQUIRE(Row::Decode(*f.layout, bytes).ok());
  for (size_t cut = 1; cut < 20; ++cut) {
    CHECK_FALSE(Row::Decode(*f.layout, bytes.substr(0, bytes.size() - cut)).ok());
  }
}

}  // namespace freshet
