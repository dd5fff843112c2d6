// The Kafka key of what is pushed: the plain text of the field that the source's `key` names. An event and a delete of one entity
// have the same, however each spells it, so that both come to one partition (docs/semantics.md, Deletes).
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

  // Of an event's JSON. A string without its quotes, bytes as they are, numbers in decimal, a time in UTC or as a number of the
  // field's unit: what a tombstone's key is read from again. Nullopt where the source has no key or it is not found in the JSON (a
  // path of `$key`), where the field is null or mistyped, or the line is not JSON.
  std::optional<std::string> Of(std::string_view event);
  // Of a delete's key, which is plain text already, in any spelling. Nullopt where it is no value of the field's type.
  std::optional<std::string> OfPlain(std::string_view text);

 private:
  std::optional<std::string> Decoded(Decoder& decoder, const RawRecord& record);

  std::optional<TimeUnit> unit_;
  std::unique_ptr<Decoder> json_;   // of one field, found in the event; none: no key
  std::unique_ptr<Decoder> plain_;  // of the same one, found in the record's key
  TextArena arena_;
};

}  // namespace freshet
