#include "featurestore/aggregate/accumulator_set.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "featurestore/aggregate/kept_value.h"

namespace freshet {

namespace {

// It asks of the field's value whether it is null, or hashes it.
bool OnlyCounts(AccumulatorKind kind) {
  return kind == AccumulatorKind::kValueCount || kind == AccumulatorKind::kDistinct ||
         kind == AccumulatorKind::kDecayedCount || kind == AccumulatorKind::kKeyedCount;
}

}  // namespace

std::string ToString(const AccumulatorSpec& spec, const Source& source) {
  std::string text(AccumulatorKindName(spec.kind));
  std::vector<std::string_view> names;
  for (const uint32_t column : spec.columns) names.push_back(source.fields[column].name);
  if (spec.field) names.push_back(source.fields[*spec.field].name);
  std::string of = fmt::format("{}", fmt::join(names, ", "));
  if (spec.order_by) {
    if (!of.empty()) of += " ";
    of += fmt::format("by {}", source.fields[*spec.order_by].name);
  }
  if (!of.empty()) text += fmt::format("({})", of);
  if (spec.arguments.n != 0) text += fmt::format(" n {}", spec.arguments.n);
  if (spec.arguments.max_keys != 0) text += fmt::format(" max_keys {}", spec.arguments.max_keys);
  if (!spec.arguments.bounds.empty()) {
    text += fmt::format(" bounds {}", fmt::join(spec.arguments.bounds, ", "));
  }
  if (spec.arguments.half_life.us != 0) {
    text += fmt::format(" half_life {}", FormatDuration(spec.arguments.half_life));
  }
  if (spec.arguments.error != 0) {
    text += fmt::format(" exact to {}, error {}", spec.arguments.exact_to, spec.arguments.error);
  } else if (spec.arguments.exact_to != 0) {
    text += fmt::format(" exact to {}", spec.arguments.exact_to);
  }
  if (spec.where) text += fmt::format(" where {}", source.fields[*spec.where].expression);
  return text;
}

AccumulatorSpec SpecOf(AccumulatorKind kind, const Feature& feature) {
  AccumulatorSpec spec{.kind = kind};
  if (!TakesNoField(kind)) spec.field = feature.of;
  spec.where = feature.where;
  switch (kind) {
    case AccumulatorKind::kMinBy:
    case AccumulatorKind::kMaxBy:
      spec.order_by = feature.arguments.order_by;
      break;
    case AccumulatorKind::kDecayedCount:
    case AccumulatorKind::kDecayedSum:
      spec.arguments.half_life = feature.arguments.half_life;
      break;
    case AccumulatorKind::kQuantiles:
    case AccumulatorKind::kDistinct:
      spec.arguments.exact_to = feature.arguments.exact_to;
      spec.arguments.error = feature.arguments.error;
      break;
    case AccumulatorKind::kTopK:
      spec.arguments.exact_to = feature.arguments.exact_to;
      break;
    case AccumulatorKind::kFirstN:
    case AccumulatorKind::kLastN:
      spec.columns = feature.arguments.of;
      if (spec.columns.empty()) spec.columns = {*feature.of};
      spec.arguments.n = feature.arguments.n;
      break;
    case AccumulatorKind::kLastDistinctN:
      spec.arguments.n = feature.arguments.n;
      break;
    case AccumulatorKind::kHistogram:
      spec.arguments.bounds = feature.arguments.bounds;
      break;
    case AccumulatorKind::kKeyedCount:
    case AccumulatorKind::kKeyedSum:
      spec.order_by = feature.arguments.by;
      // A histogram counts by the values themselves.
      if (!spec.order_by) std::swap(spec.order_by, spec.field);
      spec.arguments.max_keys = feature.arguments.max_keys;
      break;
    default:
      break;
  }
  return spec;
}

std::vector<uint32_t> FieldsOf(const AccumulatorSpec& spec) {
  std::vector<uint32_t> fields;
  for (const std::optional<uint32_t> field : {spec.field, spec.order_by, spec.where}) {
    if (field) fields.push_back(*field);
  }
  fields.insert(fields.end(), spec.columns.begin(), spec.columns.end());
  return fields;
}

StatusOr<AccumulatorSet> AccumulatorSet::Make(std::vector<AccumulatorSpec> specs,
                                              const Source& source) {
  for (const AccumulatorSpec& spec : specs) {
    for (const uint32_t field : FieldsOf(spec)) {
      if (field >= source.fields.size()) {
        return Internal("source {} has no field {}", source.name, field);
      }
    }
    if (KeepsEvents(spec.kind) && (spec.columns.empty() || spec.columns.size() > kColumnsMost)) {
      return Internal("source {}: lists of {} fields", source.name, spec.columns.size());
    }
  }
  const auto name = [&](std::optional<uint32_t> field) {
    return field ? std::string_view(source.fields[*field].name) : std::string_view();
  };
  const auto place = [&](const AccumulatorSpec& spec) {
    std::vector<std::string_view> columns;
    for (const uint32_t column : spec.columns) columns.push_back(source.fields[column].name);
    return std::tuple(spec.kind, name(spec.field), name(spec.order_by), spec.arguments,
                      spec.where ? std::string_view(source.fields[*spec.where].expression) : "",
                      columns);
  };
  std::sort(specs.begin(), specs.end(),
            [&](const auto& a, const auto& b) { return place(a) < place(b); });
  specs.erase(std::unique(specs.begin(), specs.end()), specs.end());

  AccumulatorSet set;
  for (const AccumulatorSpec& spec : specs) {
    const auto type = [&](std::optional<uint32_t> field) {
      return field ? std::optional(source.fields[*field].type) : std::nullopt;
    };
    const AccumulatorOps* ops = FindAccumulator(spec.kind, type(spec.field), type(spec.order_by));
    if (ops == nullptr) {
      return Internal("accumulator {} of source {} does not work over its field's type",
                      ToString(spec, source), source.name);
    }
    Slot& slot = set.slots_.emplace_back(Slot{spec, ops, set.bytes_, spec.arguments});
    size_t types = 0;
    for (const uint32_t column : spec.columns) {
      slot.arguments.types[types++] = source.fields[column].type;
    }
    const std::optional<uint32_t> kept = IsKeyed(spec.kind) ? spec.order_by : spec.field;
    if (kept) slot.arguments.types[types] = source.fields[*kept].type;
    set.steps_.emplace_back(Step{.ops = ops,
                                 .offset = set.bytes_,
                                 .field = spec.field.value_or(kNoField),
                                 .order_by = spec.order_by.value_or(kNoField),
                                 .where = spec.where.value_or(kNoField),
                                 .only_counts = OnlyCounts(spec.kind),
                                 .columns = !spec.columns.empty()});
    set.reads_always_ |= FieldsOf(spec).size() == spec.columns.size();
    set.bytes_ += (ops->size + 7) / 8 * 8;
    set.encoded_max_ += ops->encoded_max(slot.arguments);
    set.encoded_one_ += ops->encoded_one(slot.arguments);
    set.has_text_ |= ops->has_text;
    set.destroys_ |= ops->destroy != nullptr;
  }
  return set;
}

const AccumulatorSet::Slot* AccumulatorSet::Find(const AccumulatorSpec& spec) const {
  const auto found = std::find_if(slots_.begin(), slots_.end(),
                                  [&](const Slot& slot) { return slot.spec == spec; });
  return found == slots_.end() ? nullptr : &*found;
}

bool AccumulatorSet::Step::Takes(const Event& event) const {
  if (where != kNoField) {
    const Value& passes = event.fields[where];
    if (passes.is_null() || !passes.as_bool()) return false;
  }
  if (field != kNoField) {
    const Value& value = event.fields[field];
    if (only_counts ? value.is_null() : !IsKept(value)) return false;
  }
  return order_by == kNoField || IsKept(event.fields[order_by]);
}

bool AccumulatorSet::Reads(const Event& event) const {
  return reads_always_ || std::any_of(steps_.begin(), steps_.end(),
                                      [&](const Step& step) { return step.Takes(event); });
}

void AccumulatorSet::Add(std::byte* place, const Event& event) const {
  static constexpr Value kNone{};
  const Position at = event.position();
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    if (!step.Takes(event)) continue;
    if (step.columns) {
      AddColumns(slots_[i], place, event);
      continue;
    }
    step.ops->add(
        place + step.offset,
        {step.field == kNoField ? kNone : event.fields[step.field],
         step.order_by == kNoField ? kNone : event.fields[step.order_by], at, slots_[i].arguments});
  }
}

void AccumulatorSet::AddColumns(const Slot& slot, std::byte* place, const Event& event) {
  std::array<Value, kColumnsMost> columns;
  const size_t count = slot.spec.columns.size();
  for (size_t c = 0; c < count; ++c) columns[c] = AsKept(event.fields[slot.spec.columns[c]]);
  slot.ops->add(place + slot.offset,
                {{}, {}, event.position(), slot.arguments, {columns.data(), count}});
}

void AccumulatorSet::Destroy(std::byte* place) const {
  if (!destroys_) return;
  for (const Slot& slot : slots_) {
    if (slot.ops->destroy != nullptr) slot.ops->destroy(place + slot.offset);
  }
}

void AccumulatorSet::Encode(const std::byte* place, ByteWriter& out,
                            const CodingContext& context) const {
  for (size_t i = 0; i < steps_.size(); ++i) {
    steps_[i].ops->encode(place + steps_[i].offset, out, {context.base, &slots_[i].arguments});
  }
}

void AccumulatorSet::Decode(std::byte* place, ByteReader& in, const CodingContext& context) const {
  for (size_t i = 0; i < steps_.size(); ++i) {
    steps_[i].ops->decode(place + steps_[i].offset, in, {context.base, &slots_[i].arguments});
  }
}

size_t AccumulatorSet::heap_bytes(const std::byte* place) const {
  if (!destroys_) return 0;
  size_t total = 0;
  for (const Slot& slot : slots_) total += slot.ops->heap_bytes(place + slot.offset);
  return total;
}

CombinePlan::CombinePlan(const AccumulatorSet& into, const AccumulatorSet& from) {
  for (const AccumulatorSet::Slot& slot : into.slots()) {
    if (const auto* other = from.Find(slot.spec)) {
      steps_.push_back({slot.ops->combine, slot.offset, other->offset, slot.ops->size});
    }
  }
}

bool CombinePlan::Changes(const std::byte* from) const {
  return std::any_of(steps_.begin(), steps_.end(), [&](const Step& step) {
    const std::byte* a = from + step.from;
    return std::any_of(a, a + step.size, [](std::byte b) { return b != std::byte{0}; });
  });
}

}  // namespace freshet
