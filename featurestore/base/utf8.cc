#include "featurestore/base/utf8.h"

namespace freshet {

size_t FindInvalidUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text, i);
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

std::string_view Utf8Prefix(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  // A character has at most three bytes behind its first: one that stands across the cut begins within them.
  for (size_t back = 1; back <= 3 && back <= max_bytes; ++back) {
    if (Utf8Length(text, max_bytes - back) > back) return text.substr(0, max_bytes - back);
  }
  return text.substr(0, max_bytes);
}

std::string Shortened(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  return std::string(Utf8Prefix(text, max_bytes)) + "…";
}

}  // namespace freshet
