#include "featurestore/model/type_text.h"

#include <fmt/format.h>

#include <charconv>

namespace freshet {
namespace {

constexpr std::string_view kVectorBegin = "list<float>[";

}  // namespace

std::string TypeText(Type type, uint32_t vector_size) {
  if (type == kFloatVector) return fmt::format("{}{}]", kVectorBegin, vector_size);
  return std::string(TypeName(type));
}

std::string WithArticle(Type type, uint32_t vector_size) {
  const std::string text = TypeText(type, vector_size);
  return (text.find_first_of("aeiou") == 0 ? "an " : "a ") + text;
}

std::optional<SizedType> ParseTypeText(std::string_view text) {
  if (!text.starts_with(kVectorBegin)) {
    const auto type = TypeFromName(text);
    return type ? std::optional(SizedType{*type, 0}) : std::nullopt;
  }
  const char* const begin = text.data() + kVectorBegin.size();
  const char* const end = text.data() + text.size();
  uint32_t size = 0;
  const auto [stop, error] = std::from_chars(begin, end, size);
  if (error != std::errc() || *begin == '0' || end - stop != 1 || *stop != ']' ||
      size > kMaxVectorSize) {
    return std::nullopt;
  }
  return SizedType{kFloatVector, size};
}

}  // namespace freshet
