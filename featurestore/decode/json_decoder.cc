#include <fmt/format.h>

#include <array>

#include "featurestore/decode/decoder.h"
#include "featurestore/decode/field_reader.h"
#include "featurestore/decode/json_walker.h"

namespace freshet {
namespace {

constexpr std::string_view kKey = "$key";
constexpr std::string_view kHeaders = "$headers";

class JsonDecoder final : public Decoder {
 public:
  explicit JsonDecoder(const Source& source) : reader_(source), walker_(reader_), shapes_(reader_) {
    if (source.key) {
      const std::vector<std::string>& path = source.fields[*source.key].path;
      if (path.size() > 1 && path[0] == kKey) {
        tombstone_root_.Add(std::span(path).subspan(1), *source.key);
      }
    }
    for (uint32_t i = 0; i < source.fields.size(); ++i) {
      const Field& field = source.fields[i];
      if (!field.expression.empty()) continue;
      if (field.required) required_fields_.push_back(i);
      const std::vector<std::string> path =
          field.path.empty() ? std::vector<std::string>{field.name} : field.path;
      const std::span<const std::string> below(path.begin() + 1, path.end());
      if (path[0] == kHeaders && !below.empty()) {
        header_fields_.emplace_back(i, fmt::format("{}", fmt::join(below, ".")));
      } else if (path[0] != kKey) {
        value_root_.Add(path, i);
      } else if (below.empty()) {
        whole_key_fields_.push_back(i);
      } else {
        key_root_.Add(below, i);
      }
    }
  }

  DecodeOutcome Decode(const RawRecord& record, TextArena& arena, std::span<Value> fields,
                       Timestamp& time) override {
    for (Value& value : fields) value = Value::Absent();
    (void)reader_.TakeBadCount();
    if (!record.value) return DecodeTombstone(record, arena, fields, time);
    std::string detail;
    const WalkResult value_result = ReadValue(*record.value, arena, fields, detail);
    if (value_result == WalkResult::kMalformed) return {Refusal::kMalformed, std::move(detail)};
    bool mistyped = value_result == WalkResult::kMistyped;

    if (!key_root_.children.empty() && record.key) {
      std::string key_detail;
      const WalkResult key_result = walker_.Walk(*record.key, key_root_, arena, fields, key_detail);
      if (key_result == WalkResult::kMalformed) {
        return {Refusal::kMalformed, fmt::format("the record's key: {}", key_detail)};
      }
      if (key_result == WalkResult::kMistyped && !mistyped) {
        mistyped = true;
        detail = std::move(key_detail);
      }
    }
    for (const uint32_t field : whole_key_fields_) {
      if (mistyped || !record.key) break;
      mistyped = !reader_.ReadPlain(field, *record.key, arena, fields[field], detail);
    }
    for (const auto& [field, name] : header_fields_) {
      bool found = false;
      for (const auto& [header, text] : record.headers) {
        if (header != name) continue;
        if (found) return {Refusal::kMalformed, fmt::format("the header {} occurs twice", name)};
        found = true;
        if (!mistyped) mistyped = !reader_.ReadPlain(field, text, arena, fields[field], detail);
      }
    }
    if (mistyped) return {Refusal::kMistyped, std::move(detail)};
    for (const uint32_t field : required_fields_) {
      if (!fields[field].is_null()) continue;
      return {Refusal::kIncomplete, fmt::format("field {} is required, and is absent or null",
                                                reader_.source().fields[field].name)};
    }
    DecodeOutcome outcome = EventTime(record, fields, time);
    outcome.bad_as_null = reader_.TakeBadCount();
    return outcome;
  }

 private:
  WalkResult ReadValue(std::string_view text, TextArena& arena, std::span<Value> fields,
                       std::string& detail) {
    if (shapes_.Read(text, arena, fields)) return WalkResult::kOk;
    const WalkResult result = walker_.Walk(text, value_root_, arena, fields, detail);
    if (result == WalkResult::kOk && walker_.is_shape()) shapes_.Learn(text, walker_.scalars());
    return result;
  }
  // Of a tombstone only the field that the record's key holds is known: where it is found elsewhere in an event, the key is its text.
  DecodeOutcome DecodeTombstone(const RawRecord& record, TextArena& arena, std::span<Value> fields,
                                Timestamp& time) {
    const Source& source = reader_.source();
    if (!source.key) {
      return {Refusal::kNoKey,
              fmt::format("the record has no value (a tombstone); source {} declares no `key:`, "
                          "which says whose rows it deletes",
                          source.name)};
    }
    const uint32_t key = *source.key;
    DecodeOutcome outcome;
    outcome.tombstone = true;
    time = record.record_time;
    if (record.key) {
      if (!tombstone_root_.children.empty()) {
        switch (walker_.Walk(*record.key, tombstone_root_, arena, fields, outcome.detail)) {
          case WalkResult::kMalformed:
            return {Refusal::kMalformed, fmt::format("the record's key: {}", outcome.detail)};
          case WalkResult::kMistyped:
            return {Refusal::kMistyped, std::move(outcome.detail)};
          default:
            break;
        }
      } else if (!reader_.ReadPlain(key, *record.key, arena, fields[key], outcome.detail)) {
        return {Refusal::kMistyped, std::move(outcome.detail)};
      }
    }
    if (!fields[key].is_null()) return outcome;
    return {Refusal::kNoKey,
            fmt::format("the record has neither a value (a tombstone) nor a key of field {}, so it "
                        "deletes nothing",
                        source.fields[key].name)};
  }

  DecodeOutcome EventTime(const RawRecord& record, std::span<const Value> fields, Timestamp& time) {
    const Source& source = reader_.source();
    if (!source.time_field) {
      if (record.record_time < kMinEventTime || record.record_time > kMaxEventTime) {
        return {Refusal::kIncomplete,
                "the Kafka record has no timestamp; declare `timestamp:` with a field instead"};
      }
      time = record.record_time;
      return {};
    }
    const Field& field = source.fields[*source.time_field];
    const Value& value = fields[*source.time_field];
    if (value.is_null()) {
      return {Refusal::kIncomplete,
              fmt::format("field {} holds the event's time and is absent or null", field.name)};
    }
    const auto event_time = reader_.EventTime(value);
    if (!event_time) {
      return {Refusal::kMistyped,
              fmt::format("field {} is {}; it wants {}: check the unit of `timestamp`", field.name,
                          ToDebugString(value), kTimeRange)};
    }
    time = *event_time;
    return {};
  }

  FieldReader reader_;
  JsonWalker walker_;
  JsonShapes shapes_;  // of the record's value
  PathNode value_root_;
  PathNode key_root_;
  PathNode
      tombstone_root_;  // the one field that the source's `key` names, where it stands in the JSON of the record's key
  std::vector<uint32_t> required_fields_;
  std::vector<uint32_t> whole_key_fields_;
  std::vector<std::pair<uint32_t, std::string>> header_fields_;
};

}  // namespace

std::string_view RefusalName(Refusal refusal) {
  constexpr std::array<std::string_view, 5> kNames = {"malformed", "mistyped", "incomplete",
                                                      "future", "no_key"};
  return kNames[static_cast<size_t>(refusal)];
}

std::unique_ptr<Decoder> MakeJsonDecoder(const Source& source) {
  return std::make_unique<JsonDecoder>(source);
}

}  // namespace freshet
