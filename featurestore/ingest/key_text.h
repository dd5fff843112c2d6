// The Kafka key of an event, from its JSON: what a producer of the source's topic would have keyed it by.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/decode/decoder.h"

namespace freshet {

// Not thread-safe.
class KeyText {
 public:
  explicit KeyText(const Source& source);

  // The key field's value as it stands in the text: a string without its quotes, a number as written. Nullopt where the source
  // has no key, the field is null or of another type, or the line is not JSON.
  std::optional<std::string> Of(std::string_view event);

 private:
  std::unique_ptr<Decoder> decoder_;  // of one field; none: no key
  TextArena arena_;
};

}  // namespace freshet
