#include "featurestore/decode/field_reader.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>
#include <limits>

#include "featurestore/base/utf8.h"
#include "featurestore/decode/json_text.h"
#include "featurestore/model/packed.h"
#include "featurestore/model/type_text.h"

namespace freshet {
namespace {

constexpr size_t kFoundTextMax = 40;

bool IsNumberStart(char c) { return c == '-' || (c >= '0' && c <= '9'); }

std::string_view UnitWord(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kSeconds:
      return "seconds";
    case TimeUnit::kMillis:
      return "milliseconds";
    case TimeUnit::kMicros:
      return "microseconds";
    case TimeUnit::kNanos:
      return "nanoseconds";
  }
  return "?";
}

constexpr std::string_view kRfc3339 = "RFC 3339 text like 2013-01-01T10:15:00Z";
constexpr std::string_view kNumberTimeRange =
    "a time from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z: check the field's unit";
static_assert(kNumberTimeRange.starts_with(kTimeRange));

// What a text that is no time should have been.
std::string_view WantedTime(std::string_view text) {
  return IsTimestampOutOfRange(text) ? kTimeRange : kRfc3339;
}

}  // namespace

std::string PathText(const Field& field) {
  return field.path.empty() ? field.name : fmt::format("{}", fmt::join(field.path, "."));
}

std::string FoundText(std::string_view token) {
  if (token.empty()) return "nothing";
  if (token[0] == '{') return "an object";
  if (token[0] == '[') return "a list";
  return Shortened(token, kFoundTextMax);
}

FieldReader::FieldReader(const Source& source) : source_(source) {
  for (uint32_t i = 0; i < source_.fields.size(); ++i) {
    const Field& field = source_.fields[i];
    if (!TakesList(i)) continue;
    elements_[i] = {.name = field.name, .type = ElementOf(field.type)};
  }
}

bool FieldReader::Mistyped(const Field& field, std::string_view found, std::string_view wants,
                           std::string& detail) const {
  const std::string path = PathText(field);
  const std::string where = path == field.name ? "" : fmt::format(" (at {})", path);
  detail = fmt::format("field {}{} is {}; {} wants {}", field.name, where, FoundText(found),
                       TypeText(field.type, field.vector_size), wants);
  return false;
}

FieldReader::Converted FieldReader::ReadNumber(const Field& field, std::string_view text,
                                               Value& value) {
  const JsonNumber kind = ClassifyNumber(text);
  if (kind == JsonNumber::kNone) return {false, "a number"};
  switch (field.type) {
    case Type::kInt64: {
      constexpr std::string_view kWants = "a number without fraction or exponent, within 64 bits";
      if (kind != JsonNumber::kInteger) return {false, kWants};
      const auto number = ReadInt64(text);
      if (!number) return {false, kWants};
      value = Value::Int64(*number);
      return {};
    }
    case Type::kDouble:
    case Type::kFloat: {
      const auto number = ReadDouble(text);
      if (!number) return {false, "a number that a double can hold"};
      if (field.type == Type::kDouble) {
        value = Value::Double(*number);
        return {};
      }
      const auto rounded = static_cast<float>(*number);
      if (!std::isfinite(rounded)) return {false, "a number that a float can hold"};
      value = Value::Double(static_cast<double>(rounded));
      return {};
    }
    case Type::kTimestamp: {
      if (!field.unit) return {false, kRfc3339};
      std::optional<Timestamp> time;
      if (kind == JsonNumber::kInteger) {
        if (const auto number = ReadInt64(text)) time = TimeFromNumber(*number, *field.unit);
      } else if (const auto number = ReadDouble(text)) {
        time = TimeFromNumber(*number, *field.unit);
      }
      if (!time) return {false, kNumberTimeRange};
      value = Value::Time(*time);
      return {};
    }
    case Type::kBool:
      return {false, "true or false"};
    case Type::kString:
      return {false, "a string"};
    case Type::kBytes:
      return {false, "a base64 string"};
  }
  return {false, "a known type"};
}

bool FieldReader::TakeBad(uint32_t index, Value& value) {
  if (!source_.fields[index].bad_is_null) return false;
  value = Value();
  ++bad_as_null_;
  return true;
}

bool FieldReader::Read(uint32_t index, const JsonToken& token, TextArena& arena, Value& value,
                       std::string& detail) {
  return Convert(source_.fields[index], token, arena, value, detail) || TakeBad(index, value);
}

bool FieldReader::ReadList(uint32_t index, std::span<const JsonToken> elements, TextArena& arena,
                           Value& value, std::string& detail) {
  return ConvertList(index, elements, arena, value, detail) || TakeBad(index, value);
}

bool FieldReader::ConvertList(uint32_t index, std::span<const JsonToken> elements, TextArena& arena,
                              Value& value, std::string& detail) {
  const Field& field = source_.fields[index];
  const Field& element = elements_.at(index);
  const bool vector = field.type == kFloatVector;
  if (vector && elements.size() != field.vector_size) {
    return Mistyped(field, fmt::format("a list of {}", elements.size()),
                    fmt::format("{} numbers", field.vector_size), detail);
  }
  packed_.clear();
  PackedWriter out(field.type, static_cast<uint32_t>(elements.size()), packed_);
  for (size_t i = 0; i < elements.size(); ++i) {
    Value one;
    bool fits = Convert(element, elements[i], arena, one, detail);
    if (fits && vector && one.is_null()) {
      fits = Mistyped(element, elements[i].text, "a number", detail);
    }
    if (!fits) {
      detail = fmt::format("element {} of {}", i, detail);
      return false;
    }
    out.Add(one);
  }
  value = Value::Packed(arena.Copy(packed_));
  return true;
}

bool FieldReader::ReadPlain(uint32_t index, std::string_view text, TextArena& arena, Value& value,
                            std::string& detail) {
  return ConvertPlain(source_.fields[index], text, arena, value, detail) || TakeBad(index, value);
}

bool FieldReader::Convert(const Field& field, const JsonToken& token, TextArena& arena,
                          Value& value, std::string& detail) {
  const std::string_view text = token.text;
  const char first = text.empty() ? '\0' : text[0];
  if (first == 'n') {
    value = Value();
    return true;
  }
  if (!IsScalar(field.type)) return Mistyped(field, text, "a list", detail);
  if (IsNumberStart(first)) {
    const Converted converted = ReadNumber(field, text, value);
    return converted.ok || Mistyped(field, text, converted.wants, detail);
  }
  std::string_view string;
  if (first == '"') {
    string = text.substr(1, text.size() - 2);
    if (token.has_escapes) {
      scratch_.clear();
      if (!Unescape(string, scratch_)) return Mistyped(field, text, "a string", detail);
      string = scratch_;
    }
  }
  switch (field.type) {
    case Type::kBool:
      if (first != 't' && first != 'f') return Mistyped(field, text, "true or false", detail);
      value = Value::Bool(first == 't');
      return true;
    case Type::kInt64:
    case Type::kDouble:
    case Type::kFloat:
      return Mistyped(field, text, "a number", detail);
    case Type::kString:
      if (first != '"') return Mistyped(field, text, "a string", detail);
      value = Value::Text(arena.Copy(string));
      return true;
    case Type::kBytes: {
      std::string bytes;
      if (first != '"' || !DecodeBase64(string, bytes)) {
        return Mistyped(field, text,
                        "a base64 string (standard alphabet, padded, no stray bits at its end)",
                        detail);
      }
      value = Value::Text(arena.Copy(bytes));
      return true;
    }
    case Type::kTimestamp: {
      if (field.unit) {
        return Mistyped(field, text, fmt::format("a number of {}", UnitWord(*field.unit)), detail);
      }
      const auto time = first == '"' ? ParseTimestamp(string) : std::nullopt;
      if (!time) {
        return Mistyped(field, text, first == '"' ? WantedTime(string) : kRfc3339, detail);
      }
      value = Value::Time(*time);
      return true;
    }
  }
  return Mistyped(field, text, "a known type", detail);
}

bool FieldReader::ConvertPlain(const Field& field, std::string_view text, TextArena& arena,
                               Value& value, std::string& detail) {
  switch (field.type) {
    case Type::kString:
      if (!simdjson::validate_utf8(text.data(), text.size())) {
        return Mistyped(field, "not UTF-8", "text", detail);
      }
      value = Value::Text(arena.Copy(text));
      return true;
    case Type::kBytes:
      value = Value::Text(arena.Copy(text));
      return true;
    case Type::kBool:
      if (text != "true" && text != "false") return Mistyped(field, text, "true or false", detail);
      value = Value::Bool(text == "true");
      return true;
    case Type::kTimestamp:
      if (!field.unit) {
        const auto time = ParseTimestamp(text);
        if (!time) return Mistyped(field, text, WantedTime(text), detail);
        value = Value::Time(*time);
        return true;
      }
      [[fallthrough]];
    case Type::kInt64:
    case Type::kDouble:
    case Type::kFloat: {
      const Converted converted = ReadNumber(field, text, value);
      return converted.ok || Mistyped(field, text, converted.wants, detail);
    }
  }
  return Mistyped(field, text, "a known type", detail);
}

std::optional<Timestamp> FieldReader::EventTime(const Value& value) const {
  switch (value.kind()) {
    case Value::Kind::kTimestamp:
      return value.as_time();
    case Value::Kind::kInt64:
      return TimeFromNumber(value.as_int64(), source_.time_unit.value_or(TimeUnit::kMillis));
    case Value::Kind::kDouble:
      return TimeFromNumber(value.as_double(), source_.time_unit.value_or(TimeUnit::kMillis));
    default:
      return std::nullopt;
  }
}

}  // namespace freshet
