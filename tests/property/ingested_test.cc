// The whole way in, against the oracle: JSON records of several entities in three partitions, in whatever batches, through the
// processor into a store that is closed and opened again and compacted, and out of it again. The rows themselves are row_test.cc's.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <numeric>

#include "featurestore/base/clock.h"
#include "featurestore/ingest/processor.h"
#include "featurestore/model/entity_key.h"
#include "featurestore/oracle/oracle.h"
#include "featurestore/state/row.h"
#include "tests/property/computed.h"
#include "tests/property/random_case.h"
#include "tests/support/temp_folder.h"

namespace freshet::property {
namespace {

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t b = 0; b < 3; ++b) {
      three = three << 8 | (i + b < bytes.size() ? static_cast<uint8_t>(bytes[i + b]) : 0u);
    }
    for (size_t d = 0; d < 4; ++d) {
      text += i + d > bytes.size() ? '=' : kDigits[three >> (18 - 6 * d) & 63];
    }
  }
  return text;
}

std::string Json(const Field& field, const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      return "null";
    case Value::Kind::kBool:
      return value.as_bool() ? "true" : "false";
    case Value::Kind::kInt64:
      return std::to_string(value.as_int64());
    case Value::Kind::kDouble:
      return fmt::format("{}", value.as_double());
    case Value::Kind::kTimestamp:
      return fmt::format("\"{}\"", FormatTimestamp(value.as_time()));
    default:
      break;
  }
  if (field.type == Type::kBytes) return fmt::format("\"{}\"", Base64(value.as_text()));
  std::string text = "\"";
  for (const char c : value.as_text()) {
    if (c == '\0') {
      text += "\\u0000";
    } else {
      text += c;
    }
  }
  return text + "\"";
}

struct Counts {
  uint64_t records = 0, batches = 0, restarts = 0, compactions = 0, reads = 0, cells = 0;
  std::array<uint64_t, 5> refused{};
};

// One case: the lives of the entities of a declaration's cases, dealt into one log.
class Ingestion {
 public:
  Ingestion(uint64_t seed, Counts& counts) : random_(~seed), counts_(counts) {
    for (uint64_t i = 0; i < kCasesOfADeclaration; ++i) lives_.push_back(RandomCase(seed + i));
    auto layout = RowLayout::Compile(view(), source());
    REQUIRE(layout.ok());
    layout_ = *layout;
    oracle_.emplace(source(), std::vector{lives_[0].declared.entity}, std::vector{view()},
                    Computed(lives_[0].declared));
    features_.resize(view().features.size());
    std::iota(features_.begin(), features_.end(), 0);
    Open();
  }

  void Run() {
    std::vector<size_t> next(lives_.size());
    auto left = static_cast<size_t>(std::count_if(
        lives_.begin(), lives_.end(), [](const Case& life) { return !life.steps.empty(); }));
    while (left > 0) {
      const auto entity =
          static_cast<size_t>(random_.Between(0, static_cast<int64_t>(lives_.size()) - 1));
      if (next[entity] == lives_[entity].steps.size()) continue;
      const Step& step = lives_[entity].steps[next[entity]++];
      if (next[entity] == lives_[entity].steps.size()) --left;
      if (step.kind == Step::Kind::kApply) Produce(entity, step);
      if (step.kind == Step::Kind::kReopen) Commit();
      if (step.kind == Step::Kind::kRead && random_.Chance(0.3)) Check(entity, step);
      if (random_.Chance(0.005)) Restart();
      // Lives do not keep to `lateness` of one another.
      if (random_.Chance(0.01) && !RemovalMayShow(view())) Compact();
    }
    Restart();
    Compact();
    for (size_t entity = 0; entity < lives_.size(); ++entity) {
      for (const Step& step : lives_[entity].steps) {
        if (step.kind == Step::Kind::kRead && random_.Chance(0.3)) CheckAfterAll(entity, step);
      }
    }
  }

 private:
  const Source& source() const { return lives_[0].declared.source; }
  const FeatureView& view() const { return lives_[0].view(); }
  static std::string Card(size_t entity) { return fmt::format("card-{}", entity); }

  void Open() {
    StoreOptions options;
    options.path = folder_.path();
    options.project = "property";
    options.memory_bytes = 16ull << 20;
    auto store = Store::Open(options);
    REQUIRE(store.ok());
    store_ = *std::move(store);
    const auto id =
        store_->OpenView({view().name, view().version, view().keep(), view().keep_deleted()});
    REQUIRE(id.ok());
    id_ = *id;
    ProcessorOptions how;
    how.future = FutureRule::kNone;
    how.all_views = {layout_.get()};
    how.cache_bytes = random_.OneOf<uint64_t>({0, 10'000, 1 << 20});
    how.derived = lives_[0].declared.derived.get();
    processor_ = std::make_unique<Processor>(
        source(), std::vector<ProcessorView>{{id_, layout_.get()}}, *store_, clock_, how);
  }

  void Restart() {
    if (random_.Chance(0.5)) Commit();  // else what was not committed is read from the log again
    processor_.reset();
    store_.reset();
    Open();
    ++counts_.restarts;
  }

  void Compact() {
    Commit();
    if (greatest_) store_->SetExpiryBound(id_, *greatest_);
    compacted_ = true;
    REQUIRE(store_->CompactView(id_).ok());
    ++counts_.compactions;
  }

  void Produce(size_t entity, const Step& step) {
    std::string text = "{";
    for (size_t i = 0; i < step.fields.size(); ++i) {
      const Field& field = source().fields[i];
      const bool is_card = field.name == "card";
      std::string value =
          is_card ? fmt::format("\"{}\"", Card(entity)) : Json(field, step.fields[i]);
      if (is_card && random_.Chance(0.02)) value = "null";
      if (random_.Chance(0.002)) value = "[]";
      text += fmt::format("{}\"{}\": {}", i == 0 ? "" : ", ", field.name, value);
    }
    text += random_.Chance(0.01) ? "" : "}";
    const auto partition = static_cast<size_t>(step.at.partition);
    SourceRecord& record = pending_.emplace_back();
    record.partition = step.at.partition;
    record.offset = offsets_[partition]++;
    record.raw.value = texts_.emplace_back(std::move(text));
    record.raw.record_time = step.time;
    const auto refusal = oracle_->Offer({.key = {},
                                         .value = record.raw.value,
                                         .record_time = step.time,
                                         .seen_at = {},
                                         .headers = {}},
                                        {0, record.partition, record.offset});
    if (refusal) ++expected_refused_[static_cast<size_t>(*refusal)];
    ++counts_.records;
    // The greatest accepted; where a broken record would have been it, it only is too careful.
    if (!refusal) greatest_ = std::max(greatest_.value_or(step.time), step.time);
  }

  // All that is pending, in one or several commits.
  void Commit() {
    std::span<const SourceRecord> left(pending_);
    while (!left.empty()) {
      const auto take = static_cast<size_t>(random_.Between(1, static_cast<int64_t>(left.size())));
      freshet::Commit commit(*store_);
      BatchOutcome outcome(1);
      // Asked for deletes alone, of which there are none here (row_test.cc has them).
      const NewestBefore none = [](size_t, int32_t) { return std::nullopt; };
      REQUIRE(processor_->Process(left.first(take), 0, none, commit, outcome).ok());
      for (const auto& [partition, delta] : outcome.partitions) {
        Progress progress;
        progress.next = delta.next;
        progress.last = delta.last;
        commit.Advance(id_, partition, progress);
      }
      REQUIRE(commit.Apply().ok());
      for (size_t i = 0; i < outcome.refused.size(); ++i) refused_[i] += outcome.refused[i];
      left = left.subspan(take);
      ++counts_.batches;
    }
    pending_.clear();
    REQUIRE(refused_ == expected_refused_);
  }

  void CheckAfterAll(size_t entity, Step step) {
    if (greatest_) step.now = std::max(step.now, *greatest_ - view().max_future_skew);
    Check(entity, step);
  }

  void Check(size_t entity, Step step) {
    Commit();
    if (compacted_) step.now = std::max(step.now, *greatest_ - view().max_future_skew);
    // As random_case.cc: how old a row was before its newest event is not said without history.
    const bool open = LacksTimesOfPanes(view()) && step.as_of && *step.as_of >= step.now;
    if (open && greatest_) step.as_of = std::max(*step.as_of, *greatest_);
    const std::string card = Card(entity);
    const std::array key = {Value::Text(card)};
    std::string key_bytes;
    AppendEntityKey(key, key_bytes);
    RowReads reads;
    reads.Add(id_, key_bytes);
    REQUIRE(store_->Read(reads).ok());
    const ReadTime read{step.now, step.as_of};
    std::vector<Cell> cells(features_.size());
    std::optional<Row> row;
    if (const auto bytes = reads.row(0)) {
      auto decoded = Row::Decode(*layout_, *bytes);
      REQUIRE(decoded.ok());
      row.emplace(*std::move(decoded));
      row->Finish(read, features_, cells);
    } else {
      FinishMissing(*layout_, read, features_, cells);
    }
    const auto expected = oracle_->Answer(0, {key[0]}, {step.now, step.as_of});
    ++counts_.reads;
    for (size_t f = 0; f < cells.size(); ++f) {
      ++counts_.cells;
      const oracle::Expected& wanted = expected.cells[f];
      if (oracle::Agrees(wanted, cells[f])) continue;
      FAIL("now " << step.now.us << " as_of " << (step.as_of ? step.as_of->us : 0) << " " << card
                  << ", " << counts_.records << " records\n"
                  << lives_[0].declared.text << view().features[f].name << ": expected "
                  << CellStatusName(wanted.status) << " " << ToDebugString(wanted.value) << ", got "
                  << CellStatusName(cells[f].status) << " " << ToDebugString(cells[f].value));
    }
  }

  Random random_;
  Counts& counts_;
  TempFolder folder_;
  std::vector<Case> lives_;
  std::shared_ptr<const RowLayout> layout_;
  std::optional<oracle::Oracle> oracle_;
  std::vector<uint32_t> features_;
  ManualClock clock_{Timestamp{1'700'000'000'000'000}};
  std::unique_ptr<Store> store_;
  ViewId id_;
  std::unique_ptr<Processor> processor_;
  std::deque<std::string> texts_;
  std::vector<SourceRecord> pending_;
  std::array<int64_t, 3> offsets_{};
  std::array<uint64_t, 5> refused_{};
  std::array<uint64_t, 5> expected_refused_{};
  std::optional<Timestamp> greatest_;
  bool compacted_ = false;
};

}  // namespace

TEST_CASE(
    "what was ingested in whatever batches, restarts and compactions is what the oracle says of "
    "the records") {
  const char* scale = std::getenv("FRESHET_PROPERTY_SCALE");
  const auto wanted = static_cast<uint64_t>(25 * (scale != nullptr ? std::atof(scale) : 1));
  const char* fixed = std::getenv("FRESHET_PROPERTY_SEED");
  uint64_t seed = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
  fmt::print("FRESHET_PROPERTY_SEED={}\n", seed);
  // A declaration's cases begin at multiples.
  seed -= seed % kCasesOfADeclaration;
  Counts counts;
  for (uint64_t i = 0; i < wanted; ++i) {
    INFO("FRESHET_PROPERTY_SEED=" << seed + i * kCasesOfADeclaration);
    Ingestion(seed + i * kCasesOfADeclaration, counts).Run();
  }
  fmt::print(
      "{} records of {} logs in {} batches, {} restarts, {} compactions; {} reads, {} cells, 0 "
      "differences\n",
      counts.records, wanted, counts.batches, counts.restarts, counts.compactions, counts.reads,
      counts.cells);
}

}  // namespace freshet::property
