#include "featurestore/aggregate/accumulator_set.h"

#include <algorithm>
#include <tuple>

namespace freshet {

namespace {

bool Passes(const AccumulatorSpec& spec, const Event& event) {
  if (!spec.where) return true;
  const Value& where = event.fields[*spec.where];
  return !where.is_null() && where.as_bool();
}

}  // namespace

std::string ToString(const AccumulatorSpec& spec, const Source& source) {
  std::string text(AccumulatorKindName(spec.kind));
  if (spec.field) text += fmt::format("({}", source.fields[*spec.field].name);
  if (spec.order_by) text += fmt::format(" by {}", source.fields[*spec.order_by].name);
  if (spec.field) text += ")";
  if (spec.arguments.half_life.us != 0) {
    text += fmt::format(" half_life {}", FormatDuration(spec.arguments.half_life));
  }
  if (spec.arguments.error != 0) {
    text += fmt::format(" exact to {}, error {}", spec.arguments.exact_to, spec.arguments.error);
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
  return fields;
}

StatusOr<AccumulatorSet> AccumulatorSet::Make(std::vector<AccumulatorSpec> specs,
                                              const Source& source) {
  for (const AccumulatorSpec& spec : specs) {
    for (const std::optional<uint32_t> field : {spec.field, spec.order_by, spec.where}) {
      if (field && *field >= source.fields.size()) {
        return Internal("source {} has no field {}", source.name, *field);
      }
    }
  }
  const auto name = [&](std::optional<uint32_t> field) {
    return field ? std::string_view(source.fields[*field].name) : std::string_view();
  };
  const auto place = [&](const AccumulatorSpec& spec) {
    return std::tuple(spec.kind, name(spec.field), name(spec.order_by), spec.arguments,
                      spec.where ? std::string_view(source.fields[*spec.where].expression) : "");
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
    set.slots_.push_back({spec, ops, set.bytes_});
    set.bytes_ += (ops->size + 7) / 8 * 8;
    set.encoded_max_ += ops->encoded_max(spec.arguments);
    // What keeps many values holds one of them in at most 10 bytes.
    set.encoded_one_ += spec.arguments.exact_to != 0 ? 10 : ops->encoded_max(spec.arguments);
    set.has_text_ |= ops->has_text;
    set.counts_rows_ |= !spec.field && !spec.where;
    set.destroys_ |= ops->destroy != nullptr;
  }
  return set;
}

const AccumulatorSet::Slot* AccumulatorSet::Find(const AccumulatorSpec& spec) const {
  const auto found = std::find_if(slots_.begin(), slots_.end(),
                                  [&](const Slot& slot) { return slot.spec == spec; });
  return found == slots_.end() ? nullptr : &*found;
}

bool AccumulatorSet::Reads(const Event& event) const {
  return counts_rows_ || std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) {
           return Passes(slot.spec, event) &&
                  (!slot.spec.field || !event.fields[*slot.spec.field].is_null()) &&
                  !(slot.spec.order_by && event.fields[*slot.spec.order_by].is_null());
         });
}

void AccumulatorSet::Add(std::byte* place, const Event& event) const {
  const Position at = event.position();
  for (const Slot& slot : slots_) {
    if (!Passes(slot.spec, event)) continue;
    const Value value = slot.spec.field ? event.fields[*slot.spec.field] : Value();
    if (slot.spec.field && value.is_null()) continue;
    const Value order_by = slot.spec.order_by ? event.fields[*slot.spec.order_by] : Value();
    if (slot.spec.order_by && order_by.is_null()) continue;
    slot.ops->add(place + slot.offset, {value, order_by, at, slot.spec.arguments});
  }
}

void AccumulatorSet::Destroy(std::byte* place) const {
  if (!destroys_) return;
  for (const Slot& slot : slots_) {
    if (slot.ops->destroy != nullptr) slot.ops->destroy(place + slot.offset);
  }
}

void AccumulatorSet::Encode(const std::byte* place, ByteWriter& out,
                            const CodingContext& context) const {
  for (const Slot& slot : slots_) {
    slot.ops->encode(place + slot.offset, out, {context.base, &slot.spec.arguments});
  }
}

void AccumulatorSet::Decode(std::byte* place, ByteReader& in, const CodingContext& context) const {
  for (const Slot& slot : slots_) {
    slot.ops->decode(place + slot.offset, in, {context.base, &slot.spec.arguments});
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
