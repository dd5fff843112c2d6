// Types as declarations and schemas write them, with the length that a vector has beside its Type: list<float>[128].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "featurestore/model/value.h"

namespace freshet {

inline constexpr uint32_t kMaxVectorSize = 16'384;

struct SizedType {
  Type type = Type::kString;
  uint32_t vector_size = 0;  // kFloatVector: 1 to kMaxVectorSize; else 0
};

std::string TypeText(Type type, uint32_t vector_size);
// In a sentence: an int64, a string.
std::string WithArticle(Type type, uint32_t vector_size = 0);
// What TypeText writes; nullopt where it is not that of a type.
std::optional<SizedType> ParseTypeText(std::string_view text);

}  // namespace freshet
