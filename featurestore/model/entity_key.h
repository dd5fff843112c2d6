// The canonical bytes of an entity's key: equal entities have equal bytes, and the bytes order as the
// values do (key by key). They are the RocksDB key of the entity's row in every view.
//
// Each key value in declared order: string and bytes as OrderedText (coding.h); int64 and timestamp as
// eight ordered bytes; bool as one byte. double and float cannot be keys (NaN, -0.0, rounding).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/model/value.h"

namespace freshet {

constexpr bool CanBeKey(Type t) { return IsScalar(t) && t != Type::kDouble && t != Type::kFloat; }

// Appends the key's bytes. False, with `out` as it was, where a value is null: no entity.
bool AppendEntityKey(std::span<const Value> values, std::string& out);

// A key read back, for people and tools; `types` in declared order. Texts are owned by `texts`.
struct EntityKeyValues {
  std::vector<Value> values;
  std::vector<std::string> texts;
};
StatusOr<EntityKeyValues> ParseEntityKey(std::span<const Type> types, std::string_view bytes);

}  // namespace freshet
