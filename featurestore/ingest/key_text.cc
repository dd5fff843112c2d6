#include "featurestore/ingest/key_text.h"

namespace freshet {
namespace {

// A number of `unit` that is this time again when it is read: in decimal, with a fraction where the unit is coarser than it.
std::string NumberText(Timestamp time, TimeUnit unit) {
  const auto fraction_of = [&](int64_t micros_each) {
    const bool negative = time.us < 0;
    const auto size =
        negative ? 0 - static_cast<uint64_t>(time.us) : static_cast<uint64_t>(time.us);
    const auto each = static_cast<uint64_t>(micros_each);
    std::string text = fmt::format("{}{}", negative ? "-" : "", size / each);
    if (size % each == 0) return text;
    text += fmt::format(".{:0{}}", size % each, micros_each == 1000 ? 3 : 6);
    text.erase(text.find_last_not_of('0') + 1);
    return text;
  };
  switch (unit) {
    case TimeUnit::kSeconds:
      return fraction_of(1'000'000);
    case TimeUnit::kMillis:
      return fraction_of(1000);
    case TimeUnit::kMicros:
      return fmt::format("{}", time.us);
    case TimeUnit::kNanos:
      return time.us == 0 ? "0" : fmt::format("{}000", time.us);
  }
  return fmt::format("{}", time.us);
}

}  // namespace

KeyText::KeyText(const Source& source) {
  if (!source.key) return;
  const Field& key = source.fields[*source.key];
  if (!key.path.empty() && key.path[0].starts_with('$')) return;  // not in the text
  unit_ = key.unit;
  Source one;
  one.name = source.name;
  one.fields.push_back(key);
  json_ = MakeJsonDecoder(one);
  one.fields[0].path = {"$key"};
  plain_ = MakeJsonDecoder(one);
}

std::optional<std::string> KeyText::Of(std::string_view event) {
  if (json_ == nullptr) return std::nullopt;
  RawRecord record;
  record.value = event;
  return Decoded(*json_, record);
}

std::optional<std::string> KeyText::OfPlain(std::string_view text) {
  if (plain_ == nullptr) return std::nullopt;
  RawRecord record;
  record.key = text;
  record.value = "{}";
  return Decoded(*plain_, record);
}

std::optional<std::string> KeyText::Decoded(Decoder& decoder, const RawRecord& record) {
  arena_.Clear();
  Value value;
  Timestamp time;
  const DecodeOutcome outcome = decoder.Decode(record, arena_, {&value, 1}, time);
  if (outcome.refusal) return std::nullopt;
  switch (value.kind()) {
    case Value::Kind::kText:
      return std::string(value.as_text());
    case Value::Kind::kInt64:
      return fmt::format("{}", value.as_int64());
    case Value::Kind::kBool:
      return value.as_bool() ? "true" : "false";
    case Value::Kind::kTimestamp:
      return unit_ ? NumberText(value.as_time(), *unit_) : FormatTimestamp(value.as_time());
    default:
      return std::nullopt;
  }
}

}  // namespace freshet
