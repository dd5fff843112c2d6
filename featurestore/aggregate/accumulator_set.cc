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
  if (spec.field) text += fmt::format("({})", source.fields[*spec.field].name);
  if (spec.where) text += fmt::format(" where {}", source.fields[*spec.where].expression);
  return text;
}

StatusOr<AccumulatorSet> AccumulatorSet::Make(std::vector<AccumulatorSpec> specs,
                                              const Source& source) {
  for (const AccumulatorSpec& spec : specs) {
    for (const auto& field : {spec.field, spec.where}) {
      if (field && *field >= source.fields.size()) {
        return Internal("source {} has no field {}", source.name, *field);
      }
    }
  }
  const auto place = [&](const AccumulatorSpec& spec) {
    return std::tuple(spec.kind,
                      spec.field ? std::string_view(source.fields[*spec.field].name) : "",
                      spec.where ? std::string_view(source.fields[*spec.where].expression) : "");
  };
  std::sort(specs.begin(), specs.end(),
            [&](const auto& a, const auto& b) { return place(a) < place(b); });
  specs.erase(std::unique(specs.begin(), specs.end()), specs.end());

  AccumulatorSet set;
  for (const AccumulatorSpec& spec : specs) {
    const std::optional<Type> of =
        spec.field ? std::optional(source.fields[*spec.field].type) : std::nullopt;
    const AccumulatorOps* ops = FindAccumulator(spec.kind, of);
    if (ops == nullptr) {
      return Internal("accumulator {} of source {} does not work over its field's type",
                      ToString(spec, source), source.name);
    }
    set.slots_.push_back({spec, ops, set.bytes_});
    set.bytes_ += (ops->size + 7) / 8 * 8;
    set.encoded_max_ += ops->encoded_max;
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
                  (!slot.spec.field || !event.fields[*slot.spec.field].is_null());
         });
}

void AccumulatorSet::Add(std::byte* place, const Event& event) const {
  const Position at = event.position();
  for (const Slot& slot : slots_) {
    if (!Passes(slot.spec, event)) continue;
    const Value value = slot.spec.field ? event.fields[*slot.spec.field] : Value();
    if (slot.spec.field && value.is_null()) continue;
    slot.ops->add(place + slot.offset, value, at);
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
  for (const Slot& slot : slots_) slot.ops->encode(place + slot.offset, out, context);
}

void AccumulatorSet::Decode(std::byte* place, ByteReader& in, const CodingContext& context) const {
  for (const Slot& slot : slots_) slot.ops->decode(place + slot.offset, in, context);
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
