#include "featurestore/ingest/push_check.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace freshet {
namespace {

bool StandsInKey(const Field& field) { return !field.path.empty() && field.path[0] == "$key"; }

}  // namespace

PushCheck::PushCheck(const Catalog& catalog, uint32_t source)
    : source_(catalog.sources[source]),
      event_time_clock_(catalog.clock == ClockKind::kEventTime),
      key_text_(source_),
      decoder_(MakeJsonDecoder(source_)),
      values_(source_.fields.size()) {
  for (const FeatureView& view : catalog.views) {
    if (view.source == source) views_.push_back(&view);
  }
  reads_record_key_ = std::any_of(source_.fields.begin(), source_.fields.end(), StandsInKey);
  if (source_.key) {
    const Field& key = source_.fields[*source_.key];
    finds_key_ = key.path.empty() || !key.path[0].starts_with('$');
  }
}

std::optional<std::string> PushCheck::CannotDelete() const {
  if (!source_.key) {
    return fmt::format("source {} declares no `key:`, which says whose rows a delete drops",
                       source_.name);
  }
  const std::vector<uint32_t> key = {*source_.key};
  const bool any = std::any_of(views_.begin(), views_.end(),
                               [&](const FeatureView* view) { return view->key_fields == key; });
  if (any) return std::nullopt;
  return fmt::format("source {} has key {}, and no view of it has an entity of that one key",
                     source_.name, source_.fields[*source_.key].name);
}

std::string PushCheck::TombstoneKey(const std::string& value) {
  const Field& field = source_.fields[*source_.key];
  if (!StandsInKey(field)) return key_text_.OfPlain(value).value_or(value);
  if (field.path.size() == 1) return value;
  // In the JSON of the key, as the type writes it.
  const bool is_text = field.type == Type::kString || field.type == Type::kBytes ||
                       (field.type == Type::kTimestamp && !field.unit);
  nlohmann::json json = is_text ? nlohmann::json(value)
                                : nlohmann::json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) json = value;
  for (size_t i = field.path.size() - 1; i > 0; --i) {
    nlohmann::json outer = nlohmann::json::object();
    outer[field.path[i]] = std::move(json);
    json = std::move(outer);
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<RefusedPush> PushCheck::Check(const PushRecord& record, Timestamp now) {
  arena_.Clear();
  headers_.clear();
  record.EachHeader(
      [&](std::string_view name, std::string_view value) { headers_.emplace_back(name, value); });
  RawRecord raw;
  if (record.key) raw.key = *record.key;
  if (record.value) raw.value = *record.value;
  raw.record_time = now;
  raw.headers = headers_;
  Timestamp time;
  DecodeOutcome decoded = decoder_->Decode(raw, arena_, values_, time);
  if (decoded.refusal) {
    return RefusedPush{std::string(RefusalName(*decoded.refusal)), std::move(decoded.detail)};
  }
  if (decoded.tombstone) return std::nullopt;
  if (!event_time_clock_ && time > now + source_.max_future_skew) {
    return RefusedPush{
        std::string(RefusalName(Refusal::kFuture)),
        fmt::format("event time {} is more than {} after the wall clock; mend the producer's "
                    "clock, or raise max_future_skew of source {}",
                    FormatTimestamp(time), FormatDuration(source_.max_future_skew), source_.name)};
  }
  // A key that is computed of other fields is only known when it is read.
  const auto usable = [&](const FeatureView* view) {
    return std::none_of(view->key_fields.begin(), view->key_fields.end(), [&](uint32_t field) {
      return source_.fields[field].expression.empty() && values_[field].is_null();
    });
  };
  if (!views_.empty() && std::none_of(views_.begin(), views_.end(), usable)) {
    return RefusedPush{
        std::string(RefusalName(Refusal::kNoKey)),
        fmt::format("a key of every view of source {} is null in this event", source_.name)};
  }
  return std::nullopt;
}

}  // namespace freshet
