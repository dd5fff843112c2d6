// What a view of latest values keeps of one entity: of each field the value that the greatest event with that field brought, and that
// event's position. An event without the field leaves it; one with a null sets null.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/base/coding.h"
#include "featurestore/model/cell.h"
#include "featurestore/model/event.h"

namespace freshet {

struct LatestLayout {
  struct Field {
    uint32_t field = 0;  // of the source
    Type type = Type::kString;
    uint32_t vector_size = 0;
  };
  std::vector<Field> fields;  // by rising name, each once

  // Bytes of every field told, at places of their own; and of one event that brings all.
  uint64_t encoded_max(uint64_t text_bytes) const;
  uint64_t encoded_one(uint64_t text_bytes) const;
};

// Not thread-safe. Borrows its layout; not movable, since values borrow from it.
class LatestValues {
 public:
  explicit LatestValues(const LatestLayout& layout)
      : layout_(layout), fields_(layout.fields.size()) {}
  LatestValues(const LatestValues&) = delete;
  LatestValues& operator=(const LatestValues&) = delete;

  // Texts are copied. False where it changed nothing: each field that it has was set by a greater event.
  bool Apply(const Event& event);
  // Forgets what events of no later time set: they stand before the delete in its partition.
  void Delete(Timestamp time);

  // `newest` is the row's, which no field's time exceeds. Texts and lists are borrowed from what `in` reads; a list is checked by its
  // type alone, its elements by whoever reads them.
  void Encode(ByteWriter& out, Timestamp newest) const;
  void Decode(ByteReader& in, Timestamp newest);

  // Field `index` of the layout at q: NULL_VALUE where it was never set, is null, or is older than ttl.
  Cell Finish(uint32_t index, Timestamp q, const std::optional<Duration>& ttl) const;

  // When field `index` was set, also to null; none: never.
  std::optional<Timestamp> SetAt(uint32_t index) const {
    const Kept& kept = fields_[index];
    return kept.set ? std::optional(kept.at.time) : std::nullopt;
  }
  bool IsNull(uint32_t index) const { return fields_[index].value.is_null(); }

  size_t memory_bytes() const;

 private:
  struct Kept {
    bool set = false;
    Position at;
    Value value;
    std::string owned;  // what `value` borrows from, if an event brought it
  };

  const LatestLayout& layout_;
  std::vector<Kept> fields_;
};

}  // namespace freshet
