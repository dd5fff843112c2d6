// A fixed mixture of accumulators in flat memory: what one pane, one run or one lifetime holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/base/status.h"
#include "featurestore/model/event.h"
#include "featurestore/model/feature_view.h"
#include "featurestore/model/source.h"

namespace freshet {

// One stored accumulator: features that need the same one share it.
struct AccumulatorSpec {
  AccumulatorKind kind = AccumulatorKind::kRowCount;
  std::optional<uint32_t> field;  // of the source
  std::optional<uint32_t>
      order_by;                    // another one: kMinBy, kMaxBy; the key of kKeyedCount, kKeyedSum
  AccumulatorArguments arguments;  // but types
  std::optional<uint32_t> where;   // a bool field of the source: only events for which it is true
  std::vector<uint32_t> columns;   // kFirstN, kLastN: the fields, in the order of their names
  friend bool operator==(const AccumulatorSpec&, const AccumulatorSpec&) = default;
};
// The one of `kind` that `feature` is finished from: what it needs of its field and arguments.
AccumulatorSpec SpecOf(AccumulatorKind kind, const Feature& feature);
// What it reads of an event.
std::vector<uint32_t> FieldsOf(const AccumulatorSpec& spec);
std::string ToString(const AccumulatorSpec& spec, const Source& source);  // "sum(amount)"

// Immutable. `place` is memory of bytes() bytes, aligned to 8. All zero bytes are the identity. It may be
// moved by memcpy.
class AccumulatorSet {
 public:
  struct Slot {
    AccumulatorSpec spec;
    const AccumulatorOps* ops = nullptr;
    uint32_t offset = 0;
    AccumulatorArguments arguments;  // the spec's, with types
  };

  AccumulatorSet() = default;
  // Duplicates fall together. The order in memory and in stored bytes is by kind, then by the fields' names, the
  // arguments and the where's text, so that it does not depend on the order of declarations. Internal where a field's
  // type does not work.
  static StatusOr<AccumulatorSet> Make(std::vector<AccumulatorSpec> specs, const Source& source);

  std::span<const Slot> slots() const { return slots_; }
  uint32_t bytes() const { return bytes_; }
  bool empty() const { return slots_.empty(); }
  bool has_text() const { return has_text_; }
  // Some accumulator owns memory, which Destroy gives back.
  bool destroys() const { return destroys_; }
  const Slot* Find(const AccumulatorSpec& spec) const;
  // Stored bytes that honest data reaches, those after one event, and of the identity.
  uint64_t encoded_max() const { return encoded_max_; }
  uint64_t encoded_one() const { return encoded_one_; }
  uint64_t encoded_min() const { return slots_.size(); }

  // False: Add would change nothing (every field that is read is null, or a text too long to be kept, or its where not true).
  bool Reads(const Event& event) const;
  void Add(std::byte* place, const Event& event) const;
  void Destroy(std::byte* place) const;
  void Encode(const std::byte* place, ByteWriter& out, const CodingContext& context) const;
  // Into identities.
  void Decode(std::byte* place, ByteReader& in, const CodingContext& context) const;
  size_t heap_bytes(const std::byte* place) const;

 private:
  static constexpr uint32_t kNoField = UINT32_MAX;
  // What every event asks of a slot: of all slots side by side in memory.
  struct Step {
    const AccumulatorOps* ops;
    uint32_t offset;
    uint32_t field = kNoField;
    uint32_t order_by = kNoField;
    uint32_t where = kNoField;
    bool only_counts;  // it asks of its field whether it is null, or hashes it
    bool columns;

    bool Takes(const Event& event) const;
  };

  static void AddColumns(const Slot& slot, std::byte* place, const Event& event);

  std::vector<Slot> slots_;
  std::vector<Step> steps_;    // of each slot
  bool reads_always_ = false;  // some slot takes every event
  uint32_t bytes_ = 0;
  uint64_t encoded_max_ = 0;
  uint64_t encoded_one_ = 0;
  bool has_text_ = false;
  bool destroys_ = false;
};

// How one set's accumulators are combined into another's that holds some of them.
class CombinePlan {
 public:
  CombinePlan() = default;
  // Slots of `into` that `from` lacks stay as they are.
  CombinePlan(const AccumulatorSet& into, const AccumulatorSet& from);
  void Run(std::byte* into, const std::byte* from) const {
    for (const Step& step : steps_) step.combine(into + step.into, from + step.from);
  }
  // False: all that Run would combine are identities.
  bool Changes(const std::byte* from) const;

 private:
  struct Step {
    void (*combine)(void* a, const void* b);
    uint32_t into;
    uint32_t from;
    uint32_t size;
  };
  std::vector<Step> steps_;
};

}  // namespace freshet
