#include "featurestore/ingest/processor.h"

#include <algorithm>

namespace freshet {
namespace {

constexpr size_t kLeastRecords = 64;
constexpr size_t kMostRecords = 1 << 20;
constexpr uint32_t kNoEvent = UINT32_MAX;
// How far ahead memory is asked for: the work on one event or row is about a tenth of what a miss takes.
constexpr size_t kPlacesAhead = 16;
constexpr size_t kEntriesAhead = 8;
// Of a row, one step of what leads to its panes after the other.
constexpr size_t kRowsAhead = 12;
constexpr size_t kRingsAhead = 8;
constexpr size_t kPanesAhead = 4;

// The first eight bytes, as a number that compares as they do.
uint64_t FirstBytes(std::string_view text) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < 8; ++i) {
    bytes = bytes << 8 | (i < text.size() ? static_cast<uint8_t>(text[i]) : 0);
  }
  return bytes;
}

}  // namespace

Processor::Processor(const Source& source, std::vector<ProcessorView> views, Store& store,
                     const Clock& clock, ProcessorOptions options)
    : source_(source),
      views_(std::move(views)),
      store_(store),
      options_(std::move(options)),
      decoder_(source, views_, store, clock, options_),
      cache_(options_.cache_bytes) {}

void Processor::AddView(const ProcessorView& view) {
  views_.push_back(view);
  decoder_.AddView(view);
}

Status Processor::Process(std::span<const SourceRecord> records, uint32_t incarnation,
                          const NewestBefore& newest_before, Commit& commit,
                          BatchOutcome& outcome) {
  outcome = BatchOutcome(views_.size());
  decoder_.Begin();
  row_bytes_ = 0;
  // Mostly once; rows that an earlier part changed are in the cache, which is not trimmed before the batch is whole.
  for (size_t next = 0; next < records.size();) {
    const auto decoded = decoder_.Decode(records, next, incarnation, decoded_, commit, outcome);
    if (!decoded.ok()) cache_.Clear();
    RETURN_IF_ERROR(decoded.status());
    RETURN_IF_ERROR(ApplyPart(decoded_, newest_before, commit, outcome));
    next = *decoded;
  }
  LearnRowBytes(records.size());
  return OkStatus();
}

StatusOr<size_t> Processor::Decode(std::span<const SourceRecord> records, uint32_t incarnation,
                                   DecodedBatch& batch, Commit& commit, BatchOutcome& outcome) {
  outcome = BatchOutcome(views_.size());
  decoder_.Begin();
  return decoder_.Decode(records, 0, incarnation, batch, commit, outcome);
}

Status Processor::Apply(DecodedBatch& batch, const NewestBefore& newest_before, Commit& commit,
                        BatchOutcome& outcome) {
  row_bytes_ = 0;
  RETURN_IF_ERROR(ApplyPart(batch, newest_before, commit, outcome));
  LearnRowBytes(batch.records);
  return OkStatus();
}

Status Processor::ApplyPart(DecodedBatch& batch, const NewestBefore& newest_before, Commit& commit,
                            BatchOutcome& outcome) {
  FindRows(batch);
  Status fetched = FetchRows();
  if (!fetched.ok()) {
    cache_.Clear();
    cached_bytes_ = 0;
    return fetched;
  }
  SortTouched();
  changed_.assign(batch.events.size(), 0);
  const size_t count = touched_.size();
  for (size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) touched_[i + kRowsAhead].entry->row->Prefetch();
    if (i + kRingsAhead < count) touched_[i + kRingsAhead].entry->row->PrefetchRings();
    if (i + kPanesAhead < count) touched_[i + kPanesAhead].entry->row->PrefetchPanes();
    ApplyRow(*touched_[i].entry, batch, newest_before, commit, outcome);
  }
  outcome.applied += static_cast<uint64_t>(std::count(changed_.begin(), changed_.end(), 1));
  return OkStatus();
}

// By view and key. RocksDB's memtable finds the place of a key beside that of the key before it (rocks_options.cc).
void Processor::SortTouched() {
  if (touched_.empty()) return;
  // Keys of one kind often begin alike: what differs first is compared first.
  const std::string_view first = touched_.front().entry->key;
  size_t alike = first.size();
  for (const Touched& touched : touched_) {
    const std::string_view key = touched.entry->key;
    alike = std::min(alike, key.size());
    while (key.substr(0, alike) != first.substr(0, alike)) --alike;
  }
  for (Touched& touched : touched_) {
    touched.order = FirstBytes(std::string_view(touched.entry->key).substr(alike));
  }
  std::sort(touched_.begin(), touched_.end(), [](const Touched& a, const Touched& b) {
    if (a.slot != b.slot) return a.slot < b.slot;
    if (a.order != b.order) return a.order < b.order;
    return a.entry->key < b.entry->key;
  });
}

void Processor::FindRows(DecodedBatch& batch) {
  reads_.Clear();
  fetched_.clear();
  touched_.clear();
  for (uint32_t v = 0; v < views_.size(); ++v) {
    std::vector<DecodedBatch::ForRow>& for_row = batch.for_row[v];
    for (uint32_t i = 0; i < for_row.size(); ++i) {
      if (i + kPlacesAhead < for_row.size()) cache_.PrefetchPlace(for_row[i + kPlacesAhead].hash);
      if (i + kEntriesAhead < for_row.size()) cache_.PrefetchEntry(for_row[i + kEntriesAhead].hash);
      RowCache::Entry& entry = cache_.Touch(v, batch.key(for_row[i]), for_row[i].hash);
      for_row[i].next = kNoEvent;
      if (entry.in_batch) {
        for_row[entry.last].next = i;
        entry.last = i;
        continue;
      }
      entry.in_batch = true;
      entry.first = entry.last = i;
      touched_.push_back({0, v, &entry});
      if (entry.row) continue;
      reads_.Add(views_[v].id, entry.key);
      fetched_.push_back(&entry);
    }
  }
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
      continue;
    }
    auto row = Row::Decode(layout, *bytes);
    if (!row.ok()) {
      return MakeStatus(row.status().code(), "view {}: {}", layout.view().name,
                        MessageOf(row.status()));
    }
    entry.row.emplace(*std::move(row));
  }
  reads_.Clear();  // decoded rows hold copies; blocks of the cache are not kept pinned
  return OkStatus();
}

void Processor::ApplyRow(RowCache::Entry& entry, DecodedBatch& batch,
                         const NewestBefore& newest_before, Commit& commit, BatchOutcome& outcome) {
  const uint32_t v = entry.slot;
  const std::vector<DecodedBatch::ForRow>& for_row = batch.for_row[v];
  Row& row = *entry.row;
  bool dirty = false;
  for (uint32_t i = entry.first; i != kNoEvent; i = for_row[i].next) {
    const uint32_t e = for_row[i].event;
    if (batch.deletes[e] != 0) {
      ApplyDelete(entry, batch.events[e], newest_before, outcome);
      dirty = true;
      continue;
    }
    switch (row.Apply(batch.events[e])) {
      case Applied::kLate:
        ++outcome.late[v];
        break;
      case Applied::kDuplicate:
        ++outcome.duplicates[v];
        break;
      case Applied::kChanged:
        dirty = true;
        changed_[e] = 1;
        if (source_.dedup) outcome.forgotten_ids[v] += row.TakeForgottenIds();
        break;
    }
  }
  entry.in_batch = false;
  if (dirty) {
    scratch_.clear();
    row.Encode(scratch_);
    commit.PutRow(views_[v].id, entry.key, scratch_);
  } else if (entry.bytes != 0) {
    return;  // counted already, and as it was
  }
  cache_.Count(entry);
  row_bytes_ += entry.bytes;
}

void Processor::ApplyDelete(RowCache::Entry& entry, const Event& event,
                            const NewestBefore& newest_before, BatchOutcome& outcome) {
  Timestamp time = event.time;
  if (options_.future == FutureRule::kNone) {
    time = std::max(time, newest_before(entry.slot, event.at.partition).value_or(kMinEventTime));
  }
  entry.row->Delete(time);
  ++outcome.deletes[entry.slot];
}

void Processor::LearnRowBytes(size_t records) {
  if (records > 0) {
    const uint64_t fit = options_.cache_bytes / std::max<uint64_t>(row_bytes_ / records, 1);
    const size_t learned = std::clamp<uint64_t>(fit, kLeastRecords, 2 * records_that_fit_);
    records_that_fit_ = std::min(learned, kMostRecords);
  }
  cache_.Trim();
  cached_bytes_ = cache_.bytes();
}

}  // namespace freshet
