#include "featurestore/ingest/key_text.h"

namespace freshet {
namespace {

// How JSON writes a field of this type.
Type WrittenAs(const Field& field) {
  switch (field.type) {
    case Type::kBytes:
      return Type::kString;
    case Type::kTimestamp:
      return field.unit ? Type::kInt64 : Type::kString;
    default:
      return field.type;
  }
}

}  // namespace

KeyText::KeyText(const Source& source) {
  if (!source.key) return;
  const Field& key = source.fields[*source.key];
  if (!key.path.empty() && key.path[0].starts_with('$')) return;  // not in the text
  Source one;
  one.name = source.name;
  one.fields.push_back(key);
  one.fields[0].type = WrittenAs(key);
  one.fields[0].unit.reset();
  decoder_ = MakeJsonDecoder(one);
}

std::optional<std::string> KeyText::Of(std::string_view event) {
  if (decoder_ == nullptr) return std::nullopt;
  arena_.Clear();
  RawRecord record;
  record.value = event;
  record.record_time = {};
  Value value;
  Timestamp time;
  const DecodeOutcome outcome = decoder_->Decode(record, arena_, {&value, 1}, time);
  if (outcome.refusal) return std::nullopt;
  switch (value.kind()) {
    case Value::Kind::kText:
      return std::string(value.as_text());
    case Value::Kind::kInt64:
      return fmt::format("{}", value.as_int64());
    case Value::Kind::kBool:
      return value.as_bool() ? "true" : "false";
    default:
      return std::nullopt;
  }
}

}  // namespace freshet
