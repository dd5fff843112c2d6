// One scalar of JSON → the value of a declared field, or why not.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "featurestore/base/arena.h"
#include "featurestore/model/source.h"

namespace freshet {

// kMin/kMaxEventTime in words, for messages.
inline constexpr std::string_view kTimeRange =
    "a time from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z";

// A token as it stands in a text that was found valid: a string with its quotes, a number, true, false, null, or the
// opening bracket of an object or list.
struct JsonToken {
  std::string_view text;
  bool has_escapes = false;  // a string's
};

// Not thread-safe: keeps a buffer for what it unescapes.
class FieldReader {
 public:
  explicit FieldReader(const Source& source);

  // Fills `value`; texts are copied into `arena`. False where the token is of another type: `detail` then names the field, what
  // was found and what would do. With on_bad: "null" it is a null, and counted.
  bool Read(uint32_t field, const JsonToken& token, TextArena& arena, Value& value,
            std::string& detail);
  // The same of a list by its elements, of which each is a scalar or the opening bracket of what is none. Only for fields of lists
  // and vectors.
  bool ReadList(uint32_t field, std::span<const JsonToken> elements, TextArena& arena, Value& value,
                std::string& detail);
  bool TakesList(uint32_t field) const { return !IsScalar(source_.fields[field].type); }
  // The same of plain text: a record's key or a header. A string is the text itself and must be UTF-8, bytes are its bytes,
  // anything else is read as JSON writes it (a time without its quotes).
  bool ReadPlain(uint32_t field, std::string_view text, TextArena& arena, Value& value,
                 std::string& detail);

  // A value that `field` cannot have stands at its path: null and counted where on_bad says so, else false.
  bool TakeBad(uint32_t field, Value& value);
  // Values that were taken as null since the last call.
  uint32_t TakeBadCount() { return std::exchange(bad_as_null_, 0); }

  // The event's time from the source's time field. Nullopt where it lies outside the years 1 to 9999.
  std::optional<Timestamp> EventTime(const Value& value) const;
  const Source& source() const { return source_; }

 private:
  bool Convert(const Field& field, const JsonToken& token, TextArena& arena, Value& value,
               std::string& detail);
  bool ConvertPlain(const Field& field, std::string_view text, TextArena& arena, Value& value,
                    std::string& detail);
  bool ConvertList(uint32_t index, std::span<const JsonToken> elements, TextArena& arena,
                   Value& value, std::string& detail);
  struct Converted {
    bool ok = true;
    std::string_view wants;  // where not ok
  };
  Converted ReadNumber(const Field& field, std::string_view text, Value& value);
  bool Mistyped(const Field& field, std::string_view found, std::string_view wants,
                std::string& detail) const;

  const Source source_;
  std::map<uint32_t, Field> elements_;  // of each field of lists: what an element is
  std::string scratch_;
  std::string packed_;
  uint32_t bad_as_null_ = 0;
};

// `path` of a field as declared, for messages: merchant.id
std::string PathText(const Field& field);
// Of a token, for messages: `"abc"`, `12.5`, `an object`; cut to a readable length.
std::string FoundText(std::string_view token);

}  // namespace freshet
