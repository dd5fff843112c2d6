#include "featurestore/ingest/processor.h"

#include <algorithm>

#include "featurestore/model/entity_key.h"

namespace freshet {
namespace {

constexpr size_t kLeastRecords = 64;
constexpr size_t kMostRecords = 1 << 20;
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

Processor::Processor(const Source& source, std::vector<ProcessorView> views, Store& store,
                     const Clock& clock, ProcessorOptions options)
    : source_(source),
      views_(std::move(views)),
      store_(store),
      clock_(clock),
      options_(std::move(options)),
      decoder_(MakeJsonDecoder(source)),
      cache_(views_.size(), options_.cache_bytes),
      field_is_read_(source.fields.size()),
      touched_(views_.size()) {
  for (const ProcessorView& view : views_) NoteFieldsRead(view.layout->view());
  // Whether a key of theirs is null is asked of every view of the source.
  for (const RowLayout* layout : options_.all_views) NoteFieldsRead(layout->view());
}

void Processor::NoteFieldsRead(const FeatureView& view) {
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

void Processor::LoadProducers(const std::map<int32_t, ProducerMarks>& stored) {
  for (const auto& [partition, marks] : stored) producers_[partition].Load(marks);
}

void Processor::AddView(const ProcessorView& view) {
  views_.push_back(view);
  touched_.emplace_back();
  NoteFieldsRead(view.layout->view());
  cache_.AddView();
}

Status Processor::Process(std::span<const SourceRecord> records, uint32_t incarnation,
                          const NewestBefore& newest_before, Commit& commit,
                          BatchOutcome& outcome) {
  outcome = BatchOutcome(views_.size());
  now_ = clock_.Now();
  for (auto& [partition, sequences] : producers_) sequences.Revert();
  // The live loop may have refused more since: it is ahead of whoever only follows what it recorded.
  if (options_.future == FutureRule::kRecorded) last_refused_.clear();
  uint64_t row_bytes = 0;
  // Mostly once; rows that an earlier part changed are in the cache, which is not trimmed before the batch is whole.
  for (size_t next = 0; next < records.size();) {
    const auto decoded = DecodeSome(records, next, incarnation, commit, outcome);
    Status status = decoded.status();
    if (status.ok()) status = FindRows(records, commit, outcome);
    if (status.ok()) status = FetchRows();
    if (!status.ok()) {
      cache_.Clear();
      return status;
    }
    next = *decoded;
    ApplyEvents(newest_before, outcome);
    row_bytes += WriteRows(commit);
  }
  // The last record passed of each partition, once a batch: the hash is of all its bytes.
  for (size_t i = records.size(), left = outcome.partitions.size(); i > 0 && left > 0; --i) {
    PartitionDelta& delta = outcome.partitions[records[i - 1].partition];
    if (delta.last) continue;
    delta.last = FingerprintOf(records[i - 1]);
    --left;
  }
  for (auto& [partition, delta] : outcome.partitions) {
    const auto sequences = producers_.find(partition);
    if (sequences != producers_.end()) delta.producers = sequences->second.Keep();
  }
  LearnRowBytes(records.size(), row_bytes);
  cache_.Trim();
  return OkStatus();
}

// Whatever became of the first: a repeated one is not refused again either.
bool Processor::IsRepeated(const SourceRecord& record, const Coordinates& at,
                           PartitionDelta& delta) {
  const auto pushed = ReadPushHeaders(record.raw.headers);
  if (!pushed || !producers_[at.partition].Passes(*pushed, at)) return false;
  delta.repeated.push_back(at.offset);
  return true;
}

uint32_t Processor::Derive(std::span<Value> fields) {
  scratch_texts_.Clear();
  const uint32_t errors = options_.derived->Compute(fields, scratch_texts_);
  for (size_t f = options_.derived->first(); f < fields.size(); ++f) {
    if (fields[f].kind() != Value::Kind::kText) continue;
    if (field_is_read_[f]) {
      fields[f] = Value::Text(derived_texts_.Copy(fields[f].as_text()));
      derived_text_bytes_ += fields[f].as_text().size();
    } else {
      fields[f] = Value();
    }
  }
  return errors;
}

StatusOr<size_t> Processor::DecodeSome(std::span<const SourceRecord> records, size_t begin,
                                       uint32_t incarnation, Commit& commit,
                                       BatchOutcome& outcome) {
  const size_t width = source_.fields.size();
  arena_.Clear();
  derived_texts_.Clear();
  derived_text_bytes_ = 0;
  values_.resize(records.size() * width);
  events_.clear();
  record_of_.clear();
  deletes_.clear();
  const uint64_t most_text = options_.cache_bytes / kDerivedTextShare;
  auto i = static_cast<uint32_t>(begin);
  for (; i < records.size() && derived_text_bytes_ <= most_text; ++i) {
    const SourceRecord& record = records[i];
    const Coordinates at{incarnation, record.partition, record.offset};
    PartitionDelta& delta = outcome.partitions[record.partition];
    delta.next = record.offset + 1;
    if (!record.raw.headers.empty() && IsRepeated(record, at, delta)) continue;
    const std::span<Value> fields(values_.data() + i * width, width);
    Event event;
    DecodeOutcome decoded = decoder_->Decode(record.raw, arena_, fields, event.time);
    if (decoded.refusal) {
      Refuse(record, at, *decoded.refusal, std::move(decoded.detail), commit, outcome);
      continue;
    }
    event.at = at;
    event.fields = fields;
    if (decoded.tombstone && options_.future != FutureRule::kNone &&
        (event.time < kMinEventTime || event.time > kMaxEventTime)) {
      Refuse(record, at, Refusal::kIncomplete,
             "the record has no value (a tombstone) and no timestamp, which says when it deletes",
             commit, outcome);
      continue;
    }
    ASSIGN_OR_RETURN(const bool in_future, InFuture(record, at, event.time, commit));
    if (in_future) {
      const std::string limit = FormatDuration(source_.max_future_skew);
      Refuse(record, at, Refusal::kFuture,
             fmt::format(
                 "event time {} is more than {} after {}; mend the producer's clock, or raise "
                 "max_future_skew of source {}",
                 FormatTimestamp(event.time), limit,
                 record.broker_time ? "the broker's record time" : "the wall clock", source_.name),
             commit, outcome);
      continue;
    }
    if (decoded.tombstone) {
      if (auto lacks = NoteDelete(event, delta)) {
        Refuse(record, at, Refusal::kNoKey, *std::move(lacks), commit, outcome);
      } else {
        events_.push_back(event);
        record_of_.push_back(i);
        deletes_.push_back(true);
      }
      continue;
    }
    outcome.bad_as_null += decoded.bad_as_null;
    if (!delta.newest || *delta.newest < event.time) delta.newest = event.time;
    if (!delta.first_accepted) delta.first_accepted = event.time;
    if (options_.derived != nullptr) {
      outcome.expression_errors += Derive(fields);
    }
    // It was accepted, and moved what every event moves; it is for no view.
    if (!Passes(source_.where, event)) {
      for (uint64_t& skipped : outcome.skipped_where) ++skipped;
      continue;
    }
    events_.push_back(event);
    record_of_.push_back(i);
    deletes_.push_back(false);
  }
  return i;
}

StatusOr<bool> Processor::WasRefused(const Coordinates& at) {
  auto last = last_refused_.find(at.partition);
  if (last == last_refused_.end()) {
    ASSIGN_OR_RETURN(const auto found,
                     store_.LastRefused(source_.name, at.incarnation, at.partition));
    last = last_refused_.emplace(at.partition, found.value_or(-1)).first;
  }
  if (at.offset > last->second) return false;
  return store_.IsRefused(source_.name, at);
}

// Whether some view of the source, this loop's or not, has a key in the event.
bool Processor::Usable(const Event& event) const {
  return std::any_of(
      options_.all_views.begin(), options_.all_views.end(), [&](const RowLayout* layout) {
        const std::vector<uint32_t>& keys = layout->view().key_fields;
        return std::none_of(keys.begin(), keys.end(),
                            [&](uint32_t field) { return event.fields[field].is_null(); });
      });
}

std::optional<std::string> Processor::NoteDelete(Event& event, const PartitionDelta& delta) {
  // "With clock: event_time the greatest event time passed in its partition": of this batch here, of those before it by view.
  if (options_.future == FutureRule::kNone) event.time = delta.newest.value_or(kMinEventTime);
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

StatusOr<bool> Processor::InFuture(const SourceRecord& record, const Coordinates& at,
                                   Timestamp time, Commit& commit) {
  if (options_.future == FutureRule::kNone) return false;
  const Duration skew = source_.max_future_skew;
  if (record.broker_time) return time > record.raw.record_time + skew;
  ASSIGN_OR_RETURN(const bool recorded, WasRefused(at));
  if (recorded) return true;
  if (options_.future == FutureRule::kRecorded) return false;
  if (time <= now_ + skew) return false;
  commit.AddRefusal(source_.name, at);
  return true;
}

void Processor::Refuse(const SourceRecord& record, const Coordinates& at, Refusal refusal,
                       std::string detail, Commit& commit, BatchOutcome& outcome) {
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

// Each event's row in each view; those that are not cached are noted for one read.
Status Processor::FindRows(std::span<const SourceRecord> records, Commit& commit,
                           BatchOutcome& outcome) {
  reads_.Clear();
  fetched_.clear();
  std::vector<bool> used(events_.size());
  for (uint32_t v = 0; v < views_.size(); ++v) {
    touched_[v].clear();
    const std::vector<uint32_t>& key_fields = views_[v].layout->view().key_fields;
    const bool can_delete = CanDelete(source_, views_[v].layout->view());
    for (uint32_t e = 0; e < events_.size(); ++e) {
      if (deletes_[e] && !can_delete) continue;
      key_values_.clear();
      for (const uint32_t field : key_fields) key_values_.push_back(events_[e].fields[field]);
      scratch_.clear();
      if (!AppendEntityKey(key_values_, scratch_)) {
        ++outcome.skipped_no_key[v];
        continue;
      }
      used[e] = true;
      if (!deletes_[e] && !Passes(views_[v].layout->view().where, events_[e])) {
        ++outcome.skipped_where[v];
        continue;
      }
      RowCache::Entry& entry = cache_.Touch(v, scratch_);
      if (!entry.row && !entry.fetching) {
        entry.fetching = true;
        reads_.Add(views_[v].id, entry.key);
        fetched_.push_back(&entry);
      }
      touched_[v].push_back({e, &entry});
    }
  }
  if (views_.empty() || !options_.dead_letters) return OkStatus();
  for (uint32_t e = 0; e < events_.size(); ++e) {
    if (deletes_[e] || used[e] || Usable(events_[e])) continue;
    Refuse(records[record_of_[e]], events_[e].at, Refusal::kNoKey,
           fmt::format("a key of every view of source {} is null in this event", source_.name),
           commit, outcome);
  }
  return OkStatus();
}

Status Processor::FetchRows() {
  if (fetched_.empty()) return OkStatus();
  RETURN_IF_ERROR(store_.Read(reads_));
  for (size_t i = 0; i < fetched_.size(); ++i) {
    RowCache::Entry& entry = *fetched_[i];
    const RowLayout& layout = *views_[entry.slot].layout;
    const auto bytes = reads_.row(i);
    if (!bytes) {
      entry.row.emplace(layout);
    } else {
      auto row = Row::Decode(layout, *bytes);
      if (!row.ok()) {
        return MakeStatus(row.status().code(), "view {}: {}", layout.view().name,
                          MessageOf(row.status()));
      }
      entry.row.emplace(*std::move(row));
    }
    entry.fetching = false;
  }
  reads_.Clear();  // decoded rows hold copies; blocks of the cache are not kept pinned
  return OkStatus();
}

void Processor::ApplyEvents(const NewestBefore& newest_before, BatchOutcome& outcome) {
  std::vector<bool> changed(events_.size());
  for (uint32_t v = 0; v < views_.size(); ++v) {
    for (const Touched& touched : touched_[v]) {
      if (deletes_[touched.event]) {
        ApplyDelete(touched, v, newest_before, outcome);
        continue;
      }
      switch (touched.entry->row->Apply(events_[touched.event])) {
        case Applied::kLate:
          ++outcome.late[v];
          break;
        case Applied::kDuplicate:
          ++outcome.duplicates[v];
          break;
        case Applied::kChanged:
          touched.entry->dirty = true;
          changed[touched.event] = true;
          if (source_.dedup) outcome.forgotten_ids[v] += touched.entry->row->TakeForgottenIds();
          break;
      }
    }
  }
  outcome.applied += static_cast<uint64_t>(std::count(changed.begin(), changed.end(), true));
}

void Processor::ApplyDelete(const Touched& touched, uint32_t view,
                            const NewestBefore& newest_before, BatchOutcome& outcome) {
  const Event& event = events_[touched.event];
  Timestamp time = event.time;
  if (options_.future == FutureRule::kNone) {
    time = std::max(time, newest_before(view, event.at.partition).value_or(kMinEventTime));
  }
  touched.entry->row->Delete(time);
  touched.entry->dirty = true;
  ++outcome.deletes[view];
}

uint64_t Processor::WriteRows(Commit& commit) {
  uint64_t row_bytes = 0;
  for (uint32_t v = 0; v < views_.size(); ++v) {
    for (const Touched& touched : touched_[v]) {
      RowCache::Entry& entry = *touched.entry;
      if (entry.dirty) {
        entry.dirty = false;
        scratch_.clear();
        entry.row->Encode(scratch_);
        commit.PutRow(views_[v].id, entry.key, scratch_);
      } else if (entry.bytes != 0) {
        continue;  // counted already: by an event before it, or in an earlier batch and not changed since
      }
      cache_.Count(entry);
      row_bytes += entry.bytes;
    }
  }
  return row_bytes;
}

void Processor::LearnRowBytes(size_t records, uint64_t row_bytes) {
  if (records == 0) return;
  const uint64_t fit = options_.cache_bytes / std::max<uint64_t>(row_bytes / records, 1);
  records_that_fit_ = std::clamp<uint64_t>(fit, kLeastRecords, 2 * records_that_fit_);
  records_that_fit_ = std::min(records_that_fit_, kMostRecords);
}

}  // namespace freshet
