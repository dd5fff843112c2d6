#include "featurestore/ingest/batch_decoder.h"

#include <algorithm>

#include "featurestore/ingest/row_cache.h"
#include "featurestore/model/entity_key.h"
#include "featurestore/model/replayed_letter.h"

namespace freshet {
namespace {

// Of the rows' budget, what text derived of a batch's events may take at once.
constexpr uint64_t kDerivedTextShare = 4;

// `where`: a bool field, or none.
bool Passes(const std::optional<uint32_t>& where, const Event& event) {
  if (!where) return true;
  const Value& value = event.fields[*where];
  return !value.is_null() && value.as_bool();
}

// A delete finds the rows of an entity that is the record key alone: then all its events and its deletes are in one partition.
bool CanDelete(const Source& source, const FeatureView& view) {
  return source.key && view.key_fields.size() == 1 && view.key_fields[0] == *source.key;
}

}  // namespace

BatchDecoder::BatchDecoder(const Source& source, const std::vector<ProcessorView>& views,
                           Store& store, const Clock& clock, const ProcessorOptions& options)
    : source_(source),
      store_(store),
      clock_(clock),
      options_(options),
      decoder_(MakeJsonDecoder(source)),
      field_is_read_(source.fields.size()) {
  for (const ProcessorView& view : views) AddView(view);
  // Whether a key of theirs is null is asked of every view of the source.
  for (const RowLayout* layout : options_.all_views) NoteFieldsRead(layout->view());
}

void BatchDecoder::NoteFieldsRead(const FeatureView& view) {
  const auto note = [this](const std::optional<uint32_t>& field) {
    if (field) field_is_read_[*field] = true;
  };
  for (const uint32_t key : view.key_fields) note(key);
  note(view.where);
  for (const Feature& feature : view.features) {
    note(feature.of);
    note(feature.where);
    note(feature.arguments.order_by);
    note(feature.arguments.by);
    for (const uint32_t field : feature.arguments.of) note(field);
  }
  if (!source_.dedup) return;
  for (const uint32_t field : source_.dedup->by) note(field);
}

void BatchDecoder::AddView(const ProcessorView& view) {
  const FeatureView& declared = view.layout->view();
  views_.push_back({view.id, &declared, CanDelete(source_, declared)});
  NoteFieldsRead(declared);
}

void BatchDecoder::LoadProducers(const std::map<int32_t, ProducerMarks>& stored) {
  for (const auto& [partition, marks] : stored) producers_[partition].Load(marks);
}

void BatchDecoder::KeepProducers(BatchOutcome& outcome) {
  for (auto& [partition, sequences] : producers_) {
    std::vector<ProducerChange> changes = sequences.Keep();
    if (!changes.empty()) outcome.partitions[partition].producers = std::move(changes);
  }
  refused_kept_ = std::exchange(refused_, {});
}

void BatchDecoder::ForgetDecoded() {
  for (auto& [partition, sequences] : producers_) sequences.RevertKept();
  refused_kept_.clear();
}

bool BatchDecoder::IsRepeated(const SourceRecord& record, const Coordinates& at) {
  const auto pushed = ReadPushHeaders(record.raw.headers);
  if (!pushed || !producers_[at.partition].Passes(*pushed, at)) return false;
  at_hand_.delta->repeated.push_back(at.offset);
  return true;
}

void BatchDecoder::Begin() {
  now_ = clock_.Now();
  for (auto& [partition, sequences] : producers_) sequences.Revert();
  refused_.clear();
  // The live loop may have refused more since: it is ahead of whoever only follows what it recorded.
  if (options_.future == FutureRule::kRecorded) last_refused_.clear();
}

StatusOr<size_t> BatchDecoder::Decode(std::span<const SourceRecord> records, size_t begin,
                                      uint32_t incarnation, DecodedBatch& batch, Commit& commit,
                                      BatchOutcome& outcome) {
  const size_t width = source_.fields.size();
  batch.Clear(views_.size());
  derived_text_bytes_ = 0;
  at_hand_ = {};
  batch.values.resize((records.size() - begin) * width);
  const uint64_t most_text = options_.cache_bytes / kDerivedTextShare;
  size_t i = begin;
  for (; i < records.size() && derived_text_bytes_ <= most_text; ++i) {
    const SourceRecord& record = records[i];
    if (at_hand_.delta == nullptr || at_hand_.partition != record.partition) {
      at_hand_ = {record.partition, &outcome.partitions[record.partition], nullptr};
    }
    at_hand_.delta->next = record.offset + 1;
    const Coordinates at{incarnation, record.partition, record.offset};
    if (!record.raw.headers.empty() && IsRepeated(record, at)) continue;
    RETURN_IF_ERROR(DecodeOne(record, at,
                              std::span(batch.values).subspan((i - begin) * width, width), batch,
                              commit, outcome));
  }
  batch.records = i - begin;
  NoteLast(records.subspan(begin, batch.records), outcome);
  return i;
}

// The last record passed of each partition, once a batch: the hash is of all its bytes.
void BatchDecoder::NoteLast(std::span<const SourceRecord> records, BatchOutcome& outcome) {
  const auto noted = [](const PartitionDelta& delta) {
    return delta.last && delta.last->offset == delta.next - 1;
  };
  auto left = std::count_if(outcome.partitions.begin(), outcome.partitions.end(),
                            [&](const auto& entry) { return !noted(entry.second); });
  for (size_t i = records.size(); i > 0 && left > 0; --i) {
    const SourceRecord& record = records[i - 1];
    if (i < records.size() && records[i].partition == record.partition) continue;
    PartitionDelta& delta = outcome.partitions[record.partition];
    if (noted(delta)) continue;
    delta.last = FingerprintOf(record);
    --left;
  }
}

Status BatchDecoder::DecodeOne(const SourceRecord& record, const Coordinates& at,
                               std::span<Value> fields, DecodedBatch& batch, Commit& commit,
                               BatchOutcome& outcome) {
  PartitionDelta& delta = *at_hand_.delta;
  Event event;
  DecodeOutcome decoded = decoder_->Decode(record.raw, batch.texts, fields, event.time);
  const auto refuse = [&](Refusal refusal, std::string detail) {
    Refuse(record, at, refusal, std::move(detail), commit, outcome);
    return OkStatus();
  };
  if (decoded.refusal) return refuse(*decoded.refusal, std::move(decoded.detail));
  event.at = at;
  event.fields = fields;
  if (decoded.tombstone && options_.future != FutureRule::kNone &&
      (event.time < kMinEventTime || event.time > kMaxEventTime)) {
    return refuse(
        Refusal::kIncomplete,
        "the record has no value (a tombstone) and no timestamp, which says when it deletes");
  }
  ASSIGN_OR_RETURN(const bool in_future, InFuture(record, at, event.time, commit));
  if (in_future) {
    return refuse(
        Refusal::kFuture,
        fmt::format("event time {} is more than {} after {}; mend the producer's clock, or raise "
                    "max_future_skew of source {}",
                    FormatTimestamp(event.time), FormatDuration(source_.max_future_skew),
                    record.broker_time ? "the broker's record time" : "the wall clock",
                    source_.name));
  }
  ASSIGN_OR_RETURN(const bool counts_already, OriginalCounts(record, at));
  if (counts_already) {
    delta.repeated.push_back(at.offset);
    return OkStatus();
  }
  if (decoded.tombstone) {
    // "With clock: event_time the greatest event time passed in its partition": of this batch here, of those before it by view.
    if (options_.future == FutureRule::kNone) event.time = delta.newest.value_or(kMinEventTime);
    if (auto lacks = LacksForDelete()) return refuse(Refusal::kNoKey, *std::move(lacks));
    AddForRows(record, event, /*tombstone=*/true, batch, commit, outcome);
    return OkStatus();
  }
  outcome.bad_as_null += decoded.bad_as_null;
  if (!delta.newest || *delta.newest < event.time) delta.newest = event.time;
  if (!delta.first_accepted) delta.first_accepted = event.time;
  if (options_.derived != nullptr) {
    outcome.expression_errors += Derive(fields, batch.derived_texts);
  }
  // It was accepted, and moved what every event moves; it is for no view.
  if (!Passes(source_.where, event)) {
    for (uint64_t& skipped : outcome.skipped_where) ++skipped;
    return OkStatus();
  }
  AddForRows(record, event, /*tombstone=*/false, batch, commit, outcome);
  return OkStatus();
}

void BatchDecoder::AddForRows(const SourceRecord& record, const Event& event, bool tombstone,
                              DecodedBatch& batch, Commit& commit, BatchOutcome& outcome) {
  const auto index = static_cast<uint32_t>(batch.events.size());
  batch.events.push_back(event);
  batch.deletes.push_back(tombstone ? 1 : 0);
  bool used = false;
  for (size_t v = 0; v < views_.size(); ++v) {
    const View& view = views_[v];
    if (tombstone && !view.can_delete) continue;
    key_values_.clear();
    for (const uint32_t field : view.view->key_fields) key_values_.push_back(event.fields[field]);
    const size_t begin = batch.keys.size();
    if (!AppendEntityKey(key_values_, batch.keys)) {
      ++outcome.skipped_no_key[v];
      continue;
    }
    used = true;
    if (!tombstone && !Passes(view.view->where, event)) {
      batch.keys.resize(begin);
      ++outcome.skipped_where[v];
      continue;
    }
    DecodedBatch::ForRow& for_row = batch.for_row[v].emplace_back();
    for_row.event = index;
    for_row.key_begin = static_cast<uint32_t>(begin);
    for_row.key_size = static_cast<uint32_t>(batch.keys.size() - begin);
    for_row.hash = RowCache::Hash(static_cast<uint32_t>(v), batch.key(for_row));
  }
  if (used || tombstone || views_.empty() || !options_.dead_letters || Usable(event)) return;
  Refuse(record, event.at, Refusal::kNoKey,
         fmt::format("a key of every view of source {} is null in this event", source_.name),
         commit, outcome);
}

uint32_t BatchDecoder::Derive(std::span<Value> fields, TextArena& texts) {
  scratch_texts_.Clear();
  const uint32_t errors = options_.derived->Compute(fields, scratch_texts_);
  for (size_t f = options_.derived->first(); f < fields.size(); ++f) {
    if (fields[f].kind() != Value::Kind::kText) continue;
    if (field_is_read_[f]) {
      fields[f] = Value::Text(texts.Copy(fields[f].as_text()));
      derived_text_bytes_ += fields[f].as_text().size();
    } else {
      fields[f] = Value();
    }
  }
  return errors;
}

StatusOr<bool> BatchDecoder::WasRefused(const Coordinates& at) {
  if (at_hand_.last_refused == nullptr) {
    auto last = last_refused_.find(at.partition);
    if (last == last_refused_.end()) {
      ASSIGN_OR_RETURN(const auto found,
                       store_.LastRefused(source_.name, at.incarnation, at.partition));
      last = last_refused_.emplace(at.partition, found.value_or(-1)).first;
    }
    at_hand_.last_refused = &last->second;
  }
  if (at.offset > *at_hand_.last_refused) return false;
  return store_.IsRefused(source_.name, at);
}

// Whether some view of the source, this loop's or not, has a key in the event.
bool BatchDecoder::Usable(const Event& event) const {
  return std::any_of(
      options_.all_views.begin(), options_.all_views.end(), [&](const RowLayout* layout) {
        const std::vector<uint32_t>& keys = layout->view().key_fields;
        return std::none_of(keys.begin(), keys.end(),
                            [&](uint32_t field) { return event.fields[field].is_null(); });
      });
}

std::optional<std::string> BatchDecoder::LacksForDelete() const {
  const auto can = [this](const RowLayout* layout) { return CanDelete(source_, layout->view()); };
  // A loop that writes no dead letters knows its own views alone.
  if (!options_.dead_letters ||
      std::any_of(options_.all_views.begin(), options_.all_views.end(), can)) {
    return std::nullopt;
  }
  return fmt::format(
      "the record has no value (a tombstone); source {} has key {}, and no view of it has an "
      "entity of that one key, so there is nothing that it could delete",
      source_.name, source_.fields[*source_.key].name);
}

StatusOr<bool> BatchDecoder::InFuture(const SourceRecord& record, const Coordinates& at,
                                      Timestamp time, Commit& commit) {
  if (options_.future == FutureRule::kNone) return false;
  const Duration skew = source_.max_future_skew;
  if (record.broker_time) return time > record.raw.record_time + skew;
  ASSIGN_OR_RETURN(const bool recorded, WasRefused(at));
  if (recorded) return true;
  if (options_.future == FutureRule::kRecorded) return false;
  if (time <= now_ + skew) return false;
  commit.AddRefusal(source_.name, at);
  refused_.insert(at);
  return true;
}

StatusOr<bool> BatchDecoder::OriginalCounts(const SourceRecord& record,
                                            const Coordinates& at) const {
  if (record.raw.headers.empty() || options_.future == FutureRule::kNone) return false;
  if (record.broker_time) return false;  // everyone refused it: the record says when it was read
  const auto original = ReadCopiedFrom(source_.name, record.raw.headers, at);
  if (!original) return false;
  if (refused_.contains(*original) || refused_kept_.contains(*original)) return false;
  ASSIGN_OR_RETURN(const bool refused, store_.IsRefused(source_.name, *original));
  return !refused;
}

void BatchDecoder::Refuse(const SourceRecord& record, const Coordinates& at, Refusal refusal,
                          std::string detail, Commit& commit, BatchOutcome& outcome) const {
  ++outcome.refused[static_cast<size_t>(refusal)];
  if (!options_.dead_letters) return;
  DeadLetter letter;
  letter.reason = RefusalName(refusal);
  letter.detail = std::move(detail);
  if (record.raw.key) letter.key = std::string(*record.raw.key);
  if (record.raw.value) letter.value = std::string(*record.raw.value);
  letter.record_time_us = record.raw.record_time.us;
  commit.AddDeadLetter(source_.name, at, letter);
}

}  // namespace freshet
