// "count_request: the request's own event joins at q, satisfies or fails each `where` as a stored one would, and turns NOT_FOUND into
// PRESENT." (docs/semantics.md): what a server answers then equals the oracle's answer after the event was really appended,
// greater than every other by (incarnation, partition, offset).
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <numeric>
#include <random>

#include "featurestore/model/entity_key.h"
#include "featurestore/model/packed.h"
#include "featurestore/oracle/oracle.h"
#include "featurestore/serve/answer_lists.h"
#include "featurestore/serve/lookup.h"
#include "featurestore/store/store.h"
#include "tests/property/random_case.h"

namespace freshet::property {
namespace {

bool IsTrue(const std::optional<uint32_t>& where, std::span<const Value> fields) {
  return !where || (!fields[*where].is_null() && fields[*where].as_bool());
}

oracle::Derive Computed(const Case& c) {
  return [computed = c.declared.computed](std::span<Value> fields) {
    for (const auto& [field, expression] : *computed) {
      fields[field] = expression.evaluate(fields).value_or(Value());
    }
  };
}

// A value as a request sends it.
class InputColumn {
 public:
  InputColumn(const std::string& name, Type type, const Value& value) {
    column_.name = name;
    column_.wire_name = "packed";
    const auto packed = [&](RequestColumn::Form form, auto number) {
      column_.form = form;
      bytes_.assign(reinterpret_cast<const char*>(&number), sizeof number);
    };
    switch (type) {
      case Type::kBool:
        packed(RequestColumn::Form::kBool, static_cast<char>(!value.is_null() && value.as_bool()));
        break;
      case Type::kInt64:
        packed(RequestColumn::Form::kInt64, value.is_null() ? int64_t{0} : value.as_int64());
        break;
      case Type::kTimestamp:
        packed(RequestColumn::Form::kTimestamp, value.is_null() ? int64_t{0} : value.as_time().us);
        break;
      case Type::kDouble:
        packed(RequestColumn::Form::kDouble, value.is_null() ? 0.0 : value.as_double());
        break;
      case Type::kFloat:
        packed(RequestColumn::Form::kFloat,
               value.is_null() ? 0.0F : static_cast<float>(value.as_double()));
        break;
      default: {
        column_.form = RequestColumn::Form::kText;
        if (!value.is_null()) bytes_ = value.as_text();
        const uint32_t offsets[] = {0, static_cast<uint32_t>(bytes_.size())};
        offsets_.assign(reinterpret_cast<const char*>(offsets), sizeof offsets);
      }
    }
    if (value.is_null()) nulls_ = "\1";
  }
  RequestColumn get() const {
    RequestColumn column = column_;
    column.packed = bytes_;
    column.offsets = offsets_;
    column.nulls = nulls_;
    return column;
  }

 private:
  RequestColumn column_;
  std::string bytes_;
  std::string offsets_;
  std::string nulls_;
};

// A service of the case's view with all its features, in a store of its own.
class Served {
 public:
  explicit Served(const Case& c) : case_(c), clock_(Timestamp{}) {
    std::string name =
        (std::filesystem::temp_directory_path() / "freshet_count_request_XXXXXX").string();
    folder_ = mkdtemp(name.data());
    auto catalog = std::make_shared<Catalog>();
    catalog->project = "property";
    catalog->sources = {c.declared.source};
    catalog->entities = {c.declared.entity};
    catalog->views = {c.view()};
    catalog->layouts = {RowLayout::Compile(c.view(), c.declared.source).value()};
    catalog->derived = {c.declared.derived};
    FeatureService service;
    service.name = "s";
    service.views = {{0, "", {"card"}}};
    service.event.emplace();
    for (uint32_t f = 0; f < c.declared.source.named_fields; ++f) {
      const Field& field = c.declared.source.fields[f];
      if (!field.expression.empty()) continue;
      RequestEvent::Given given{.field = f};
      if (field.name == "card") {
        given.key = "card";
      } else {
        given.input = static_cast<uint32_t>(service.inputs.size());
        service.inputs.push_back({field.name, field.type});
      }
      service.event->given.push_back(given);
    }
    for (uint32_t f = 0; f < c.view().features.size(); ++f) {
      service.features.push_back({0, f, c.view().features[f].name});
    }
    catalog->services = {service};
    plan_ = CompilePlan(catalog, catalog->services[0]);
    StoreOptions options;
    options.path = folder_ / "data";
    options.project = "property";
    options.memory_bytes = 64 << 20;
    store_ = Store::Open(options).value();
    id_ = store_->OpenView({c.view().name, "0123456789abcdef", std::nullopt}).value();
    REQUIRE(store_->MarkComplete(id_).ok());
    store_->view_status(id_).complete = true;
    lookup_ = std::make_unique<Lookup>(*store_, clock_);
  }
  ~Served() {
    lookup_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Puts the row, where there is one, and asks with the event `fields`.
  const Answer& Ask(Row* row, Timestamp now, std::optional<Timestamp> as_of,
                    std::span<const Value> fields) {
    if (row != nullptr) {
      std::string key;
      REQUIRE(AppendEntityKey(std::array{Value::Text("a")}, key));
      std::string bytes;
      row->Encode(bytes);
      Commit commit(*store_);
      commit.PutRow(id_, key, bytes);
      REQUIRE(commit.Apply().ok());
    }
    const std::string card = "a";
    const std::string* cards[] = {&card};
    RequestColumn key;
    key.name = "card";
    key.form = RequestColumn::Form::kStrings;
    key.strings = cards;
    std::deque<InputColumn> kept;
    std::vector<RequestColumn> inputs;
    for (const RequestEvent::Given& given : plan_->catalog->services[0].event->given) {
      if (!given.input) continue;
      const Field& field = case_.declared.source.fields[given.field];
      inputs.push_back(kept.emplace_back(field.name, field.type, fields[given.field]).get());
    }
    std::vector<int64_t> times;
    if (as_of) times.push_back(as_of->us);
    clock_.Set(now);
    LookupOptions options;
    options.event_times = true;
    const Outcome error = lookup_->Run(*plan_, {{&key, 1}, times, inputs}, options, answer_);
    if (error) FAIL(error->message);
    return answer_;
  }

  const Plan& plan() const { return *plan_; }

 private:
  const Case& case_;
  std::filesystem::path folder_;
  std::unique_ptr<Store> store_;
  ViewId id_;
  ManualClock clock_;
  std::unique_ptr<Lookup> lookup_;
  std::shared_ptr<const Plan> plan_;
  Answer answer_;
};

// A list's or map's cell, packed again into `packed`.
Value PackedValue(Type type, const AnswerColumn& column, std::string& packed) {
  const ElementRange range = ElementsOf(type, 0, column, 0);
  packed.clear();
  PackedWriter out(type, range.end - range.begin, packed);
  for (uint32_t i = range.begin; i < range.end; ++i) {
    if (IsMap(type)) {
      out.AddEntry(ElementAt(type, column, i), MappedAt(type, column, i));
    } else {
      out.Add(ElementAt(type, column, i));
    }
  }
  return Value::Packed(packed);
}

// An answer's cell, where it has a value; `packed` holds what it borrows from.
Value ValueOf(const Plan& plan, const Answer& answer, size_t column, CellStatus status,
              std::string& packed) {
  const bool filled = plan.columns[column].has_default &&
                      (status == CellStatus::kNotFound || status == CellStatus::kOutsideMaxAge);
  if (status != CellStatus::kPresent && !filled) return {};
  const Type type = plan.columns[column].type;
  if (!IsScalar(type)) return PackedValue(type, answer.columns[column], packed);
  return AnswerValue(type, answer.columns[column], 0);
}

struct Counts {
  uint64_t reads = 0;
  uint64_t cells = 0;
  uint64_t joined = 0;
  uint64_t found = 0;  // rows that were not there
  uint64_t past = 0;
  std::map<std::string, uint64_t> by_shape;
};

// At every read of the case, and before its first event.
void Run(const Case& c, Counts& counts) {
  Served served(c);
  const FeatureView& view = c.view();
  const Source& source = c.declared.source;
  auto layout = RowLayout::Compile(view, source).value();
  const oracle::KeyValues key = {Value::Text("a")};
  constexpr Coordinates kLast{UINT32_MAX, INT32_MAX, INT64_MAX};
  std::vector<const Step*> applied;
  std::optional<Row> row;
  Scratch texts;
  // The events asked about are the case's own, in another order.
  std::vector<const Step*> events;
  for (const Step& step : c.steps) {
    if (step.kind == Step::Kind::kApply) events.push_back(&step);
  }
  size_t next = events.size() / 2;
  std::vector<Step> steps = c.steps;
  if (!events.empty()) {  // of a row that is not there yet
    Step first;
    first.kind = Step::Kind::kRead;
    first.now = events[0]->time;
    steps.insert(steps.begin(), first);
  }
  for (const Step& step : steps) {
    std::vector<Value> fields;
    const auto derive = [&](const Step& of) {
      fields.assign(of.fields.begin(), of.fields.end());
      fields.resize(source.fields.size());
      texts.Clear();
      c.declared.derived->Compute(fields, texts);
      return IsTrue(source.where, fields) && IsTrue(view.where, fields);
    };
    if (step.kind == Step::Kind::kApply) {
      applied.push_back(&step);
      if (!derive(step) || fields[view.key_fields[0]].is_null()) continue;
      if (!row) row.emplace(*layout);
      row->Apply({step.time, step.at, fields});
      continue;
    }
    if (step.kind != Step::Kind::kRead || events.empty()) continue;
    const Step& own = *events[next++ % events.size()];
    const Timestamp q = step.as_of.value_or(step.now);
    oracle::Oracle oracle(source, {c.declared.entity}, {view}, Computed(c));
    for (const Step* before : applied) {
      oracle.OfferDecoded({before->time, before->at, before->fields});
    }
    const bool there = row.has_value();
    std::vector<Value> own_fields(own.fields.begin(), own.fields.end());
    own_fields[*source.FieldIndex("card")] = Value::Text("a");
    oracle.OfferDecoded({q, kLast, own_fields});
    const oracle::ExpectedRow expected = oracle.Answer(0, key, {step.now, step.as_of});
    const Answer& answer = served.Ask(row ? &*row : nullptr, step.now, step.as_of, own_fields);
    ++counts.reads;
    counts.past += step.as_of && *step.as_of < step.now ? 1 : 0;
    const bool joined = derive(own);
    counts.joined += joined ? 1 : 0;
    counts.found += joined && !there ? 1 : 0;
    for (size_t f = 0; f < view.features.size(); ++f) {
      const CellStatus status = answer.statuses.empty()
                                    ? CellStatus::kPresent
                                    : static_cast<CellStatus>(answer.statuses[f]);
      Cell cell;
      cell.status = status;
      cell.degraded = !answer.degraded.empty() && answer.degraded[f] != 0;
      std::string packed;
      cell.value = ValueOf(served.plan(), answer, f, status, packed);
      ++counts.cells;
      ++counts.by_shape[std::string(ShapeName(ShapeOf(view.features[f].window)))];
      oracle::Expected wanted = expected.cells[f];
      // A float column travels as floats, its default too.
      if (view.features[f].type == Type::kFloat && !wanted.value.is_null()) {
        wanted.value = Value::Double(static_cast<float>(wanted.value.as_double()));
      }
      if (oracle::Agrees(wanted, cell)) continue;
      FAIL(Describe(c) << fmt::format("{}: read at {} with an event {}: expected {} {}, got {} {}",
                                      view.features[f].name, q.us,
                                      joined ? "that counts" : "that does not count",
                                      CellStatusName(wanted.status), ToDebugString(wanted.value),
                                      CellStatusName(cell.status), ToDebugString(cell.value)));
    }
    int64_t us = 0;
    std::memcpy(&us, answer.views[0].event_times.data(), 8);
    const int64_t wanted = expected.event_time ? expected.event_time->us : kNoTime;
    if (us != wanted) FAIL(Describe(c) << "event time " << us << ", expected " << wanted);
  }
}

}  // namespace

TEST_CASE("an answer that counts the request's own event is the oracle's after it was appended") {
  const char* scale = std::getenv("FRESHET_PROPERTY_SCALE");
  const char* fixed = std::getenv("FRESHET_PROPERTY_SEED");
  const auto cases =
      static_cast<uint64_t>(120 * (scale == nullptr ? 1.0 : std::max(0.1, std::atof(scale))));
  const uint64_t seed =
      fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
  fmt::print("count_request: FRESHET_PROPERTY_SEED={}\n", seed);
  Counts counts;
  for (uint64_t i = 0; i < cases; ++i) {
    INFO("FRESHET_PROPERTY_SEED=" << seed + i);
    Run(RandomCase(seed + i), counts);
  }
  fmt::print(
      "count_request: {} streams, {} reads ({} of them past), {} cells, {} events joined, {} made "
      "a row\n",
      cases, counts.reads, counts.past, counts.cells, counts.joined, counts.found);
  for (const auto& [shape, cells] : counts.by_shape) fmt::print("  {:<12}{:>8}\n", shape, cells);
  if (cases < 100) {
    fmt::print("too few streams: what they cover is not checked\n");
    return;
  }
  CHECK(counts.joined * 2 > counts.reads);
  CHECK(counts.past > 0);
  CHECK(counts.found > 0);
  CHECK(counts.by_shape.size() == kShapes);
}

}  // namespace freshet::property
