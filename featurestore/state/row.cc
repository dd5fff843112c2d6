#include "featurestore/state/row.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "featurestore/aggregate/time_span.h"
#include "featurestore/state/covered.h"
#include "featurestore/state/row_layout_impl.h"
#include "featurestore/state/row_parts.h"

namespace freshet {
namespace {

constexpr size_t kNewestAt = 3;  // format (1), version tag (2)
constexpr size_t kBodyAt = kNewestAt + 8;

bool OutsideHistory(const FeatureView& view, const FeaturePlan& feature, const ReadTime& read) {
  if (!read.as_of) return false;
  const Duration history = feature.window.has_history() ? view.history : Duration{};
  return *read.as_of < read.now - history;
}

// PRESENT, NOT_FOUND or OUTSIDE_MAX_AGE of a row whose event time as of q is `time`.
CellStatus StatusByAge(const FeatureView& view, std::optional<Timestamp> time, Timestamp q) {
  if (!time) return CellStatus::kNotFound;
  if (!view.ttl) return CellStatus::kPresent;
  const Duration age = q - *time;
  if (age <= *view.ttl) return CellStatus::kPresent;
  return age <= *view.ttl + view.grace() ? CellStatus::kOutsideMaxAge : CellStatus::kNotFound;
}

// Memory that accumulators are combined in: nearly always on the stack.
class Scratch {
 public:
  explicit Scratch(size_t bytes) {
    if (bytes > inline_.size()) heap_ = std::make_unique<std::byte[]>(bytes);
  }
  std::byte* get() { return heap_ ? heap_.get() : inline_.data(); }

 private:
  alignas(8) std::array<std::byte, 256> inline_;
  std::unique_ptr<std::byte[]> heap_;
};

// Accumulators that live as long as the row.
struct Replayed {
  std::unique_ptr<std::byte[]> memory;
  const AccumulatorSet* set = nullptr;

  Replayed() = default;
  Replayed(Replayed&& other) noexcept
      : memory(std::move(other.memory)), set(std::exchange(other.set, nullptr)) {}
  Replayed& operator=(Replayed&&) = delete;
  ~Replayed() {
    if (set != nullptr) set->Destroy(memory.get());
  }
};

}  // namespace

struct Row::Impl {
  explicit Impl(const RowLayout::Impl& layout_in) : layout(&layout_in) {
    rings.reserve(layout->rings.size());
    for (const RingLayout& ring : layout->rings) rings.emplace_back(ring);
    runs.reserve(layout->runs.size());
    for (const RunLayout& list : layout->runs) runs.emplace_back(list);
    if (layout->log) log.emplace(*layout->log);
    if (layout->ids) ids.emplace(*layout->ids);
    if (layout->latest) latest.emplace(*layout->latest);
    if (layout->lifetime) {
      lifetime.emplace(*layout->lifetime);
      lifetime->Fill(1);
    }
  }

  std::span<PaneRing> chain(const ChainLayout& c) {
    return std::span(rings).subspan(c.begin, c.end - c.begin);
  }
  std::span<const PaneRing> chain(const ChainLayout& c) const {
    return std::span(rings).subspan(c.begin, c.end - c.begin);
  }

  // No as_of that may be asked reaches before the delete any more.
  void ForgetDelete() {
    if (deleted && !empty && *deleted <= newest - layout->view.keep_deleted()) deleted.reset();
  }
  bool IsDuplicate(const Event& event, std::optional<uint64_t> id) const {
    return id && ids->Holds(*id, event.time, empty ? event.time : std::max(newest, event.time));
  }

  std::optional<Timestamp> TimeAsOf(const ReadTime& read) const;
  Cell FinishFeature(const FeaturePlan& feature, const FinishMoment& moment, bool ended_only,
                     std::byte* scratch) const;
  Cell FinishPanes(const FeaturePlan& feature, const FinishMoment& moment, bool ended_only,
                   std::byte* scratch) const;
  Cell FinishHeld(const FeaturePlan& feature, const FinishMoment& moment,
                  const std::byte* held) const;
  Cell FinishRuns(const FeaturePlan& feature, const FinishMoment& moment, std::byte* scratch) const;
  Cell FinishLog(const FeaturePlan& feature, const FinishMoment& moment, std::byte* scratch) const;
  // The parts of `feature` combined in `scratch`.
  static Cell FinishScratch(const FeaturePlan& feature, const FinishMoment& moment,
                            const std::byte* scratch);

  const RowLayout::Impl* layout;
  bool empty = true;
  Timestamp newest;
  std::optional<Timestamp> deleted;  // the greatest time of a delete that an as_of may be before
  std::vector<PaneRing> rings;
  std::vector<RunList> runs;
  std::optional<AccumulatorTable> lifetime;  // one entry
  std::optional<EventLog> log;
  std::optional<IdList> ids;
  uint64_t forgotten_ids = 0;
  std::optional<LatestValues> latest;
  std::string bytes;  // that texts were decoded from and are borrowed from
  // Accumulators that events of the log were replayed through: cells borrow their texts.
  mutable std::vector<Replayed> replayed;
  mutable PackedArena packed;  // lists and maps of cells
};

Row::Row(const RowLayout& layout) : impl_(std::make_unique<Impl>(layout.impl())) {}
Row::Row(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Row::Row(Row&&) noexcept = default;
Row& Row::operator=(Row&&) noexcept = default;
Row::~Row() = default;

bool Row::empty() const { return impl_->empty; }
std::optional<Timestamp> Row::deleted() const { return impl_->deleted; }
Timestamp Row::newest() const { return impl_->newest; }

void Row::PrefetchRings() const {
  for (const PaneRing& ring : impl_->rings) __builtin_prefetch(&ring);
}

void Row::PrefetchPanes() const {
  for (const PaneRing& ring : impl_->rings) ring.PrefetchNewest();
}

size_t Row::memory_bytes() const {
  size_t total = sizeof(Row) + sizeof(Impl) + impl_->bytes.capacity() +
                 impl_->packed.memory_bytes() + impl_->rings.capacity() * sizeof(PaneRing);
  for (const PaneRing& ring : impl_->rings) total += ring.memory_bytes();
  for (const RunList& list : impl_->runs) total += list.memory_bytes();
  if (impl_->log) total += impl_->log->memory_bytes();
  if (impl_->ids) total += impl_->ids->memory_bytes();
  if (impl_->latest) total += impl_->latest->memory_bytes();
  if (impl_->lifetime) total += impl_->lifetime->memory_bytes();
  return total;
}

bool Row::IsDuplicate(const Event& event) const {
  return impl_->ids && impl_->IsDuplicate(event, impl_->layout->ids->IdOf(event.fields));
}

uint64_t Row::TakeForgottenIds() { return std::exchange(impl_->forgotten_ids, 0); }

void Row::Delete(Timestamp time) {
  impl_->ForgetDelete();  // as any Encode since would have
  const std::optional<Timestamp> before = impl_->deleted;
  // Of latest values, those stay that an event of a later time set.
  if (impl_->latest && !impl_->empty && impl_->newest > time) {
    impl_->latest->Delete(time);
    if (impl_->ids) impl_->ids.emplace(*impl_->layout->ids);
    impl_->deleted = std::max(before.value_or(time), time);
    return;
  }
  auto fresh = std::make_unique<Impl>(*impl_->layout);
  fresh->deleted = std::max(before.value_or(time), time);
  fresh->forgotten_ids = impl_->forgotten_ids;
  impl_ = std::move(fresh);
}

RowParts Row::parts() const {
  return {impl_->layout,
          impl_->newest,
          impl_->rings,
          impl_->runs,
          impl_->log ? &*impl_->log : nullptr,
          impl_->latest ? &*impl_->latest : nullptr};
}

Applied Row::Apply(const Event& event) {
  Impl& row = *impl_;
  const std::optional<uint64_t> id = row.ids ? row.layout->ids->IdOf(event.fields) : std::nullopt;
  if (row.IsDuplicate(event, id)) return Applied::kDuplicate;
  // "Events not greater change nothing": an entity is in one partition, so one of the delete's own time came after it.
  row.ForgetDelete();  // as any Encode since would have
  if (row.latest && row.deleted && event.time < *row.deleted) return Applied::kLate;
  bool changed = row.empty || event.time > row.newest;
  // Before routing: what is kept depends on the newest event, this one counted.
  if (changed) row.newest = event.time;
  row.empty = false;
  for (const ChainLayout& chain : row.layout->chains) {
    changed |= AddToChain(row.chain(chain), event, row.newest);
  }
  for (RunList& list : row.runs) changed |= list.Add(event, row.newest);
  if (row.lifetime) {
    row.layout->lifetime->Add(row.lifetime->accumulators(0), event);
    changed = true;
  }
  if (row.log) changed |= row.log->Add(event, row.newest);
  if (row.latest) changed |= row.latest->Apply(event);
  if (!changed) return Applied::kLate;
  if (id) row.forgotten_ids += row.ids->Add(*id, event.time, row.newest);
  return Applied::kChanged;
}

void Row::Encode(std::string& out) {
  Impl& row = *impl_;
  ByteWriter writer(out);
  row.ForgetDelete();
  writer.Byte(!row.deleted ? kRowFormat : row.empty ? kRowFormatDeleted : kRowFormatAfterDelete);
  writer.Fixed16(row.layout->version_tag);
  writer.Fixed64(static_cast<uint64_t>((row.empty && row.deleted ? *row.deleted : row.newest).us));
  if (row.empty && row.deleted) return;
  if (row.deleted) WriteTimeSpan(writer, row.newest - *row.deleted);
  for (const ChainLayout& chain : row.layout->chains) {
    FoldChain(chain, row.chain(chain), row.newest);
  }
  for (const PaneRing& ring : row.rings) ring.Encode(writer, row.newest);
  for (RunList& list : row.runs) {
    list.Evict(row.newest);
    list.Encode(writer, row.newest);
  }
  if (row.lifetime) {
    row.layout->lifetime->Encode(row.lifetime->accumulators(0), writer, {row.newest});
  }
  if (row.latest) row.latest->Encode(writer, row.newest);
  if (row.log) {
    row.log->Trim(row.newest);
    row.log->Encode(writer, row.newest);
  }
  if (row.ids) {
    row.ids->Evict(row.newest);
    row.ids->Encode(writer, row.newest);
  }
}

StatusOr<Row> Row::Decode(const RowLayout& layout, std::string_view bytes) {
  const std::string& view = layout.view().name;
  if (bytes.size() < kBodyAt) {
    return DataLoss("view {}: a row of {} bytes is cut short", view, bytes.size());
  }
  ByteReader header(bytes);
  const uint8_t format = header.Byte();
  if (format < kRowFormat || format > kRowFormatDeleted) {
    return DataLoss("view {}: a row of format {}, this version reads {} to {}", view, format,
                    kRowFormat, kRowFormatDeleted);
  }
  if (const uint16_t tag = header.Fixed16(); tag != layout.version_tag()) {
    return DataLoss("view {}: a row of another version of the view ({:04x}, not {:04x})", view, tag,
                    layout.version_tag());
  }
  const std::optional<RowTimes> times = PeekTimes(bytes);
  if (!times) return DataLoss("view {}: a row with a time that cannot be", view);
  auto impl = std::make_unique<Impl>(layout.impl());
  impl->deleted = times->deleted;
  if (!times->newest) {
    if (bytes.size() != kBodyAt) return DataLoss("view {}: a damaged row", view);
    return Row(std::move(impl));
  }
  const Timestamp newest = *times->newest;
  impl->empty = false;
  impl->newest = newest;
  if (impl->layout->has_text) {
    impl->bytes = bytes;
    bytes = impl->bytes;
  }
  ByteReader body(bytes.substr(kBodyAt));
  if (impl->deleted) {
    (void)ReadTimeSpan(body);
    impl->ForgetDelete();  // it would have been forgotten, and was stored
    if (!impl->deleted) body.MarkBad();
  }
  for (PaneRing& ring : impl->rings) ring.Decode(body, newest);
  for (RunList& list : impl->runs) list.Decode(body, newest);
  if (impl->lifetime) {
    impl->layout->lifetime->Decode(impl->lifetime->accumulators(0), body, {newest});
  }
  if (impl->latest) impl->latest->Decode(body, newest);
  if (impl->log) impl->log->Decode(body, newest);
  if (impl->ids) impl->ids->Decode(body, newest);
  if (!body.AtEnd()) return DataLoss("view {}: a damaged row", view);
  return Row(std::move(impl));
}

// With an as_of before the newest event nothing may tell what came after it: the newest pane that had ended by then, and of
// exact windows the newest event by then. Where nothing that is kept knows of times before the newest there is no past to tell of.
std::optional<Timestamp> Row::Impl::TimeAsOf(const ReadTime& read) const {
  if (empty) return std::nullopt;
  if (!read.as_of || *read.as_of >= newest) return newest;
  if (layout->chains.empty() && !layout->log_has_history && *read.as_of >= read.now) return newest;
  std::optional<Timestamp> greatest;
  for (const ChainLayout& c : layout->chains) {
    greatest = std::max(greatest, NewestEndedBy(chain(c), ClampRead(*read.as_of), newest));
  }
  if (layout->log_has_history) {
    const size_t after = log->LowerBound(ClampRead(*read.as_of) + Duration{1});
    // Below all that are kept, the greatest that was dropped is the newest.
    const std::optional<Timestamp> time =
        after > 0 ? std::optional(log->at(after - 1).time) : log->greatest_dropped();
    if (time && *time <= *read.as_of) greatest = std::max(greatest, time);
  }
  return greatest;
}

std::optional<Timestamp> Row::EventTimeAsOf(const ReadTime& read) const {
  return impl_->TimeAsOf(read);
}

Cell Row::Impl::FinishHeld(const FeaturePlan& feature, const FinishMoment& moment,
                           const std::byte* held) const {
  std::array<const void*, 8> parts;
  for (size_t p = 0; p < feature.parts.size(); ++p) parts[p] = held + feature.parts[p].offsets[0];
  return feature.aggregation->finish({parts.data(), feature.parts.size()}, feature.context, moment);
}

Cell Row::Impl::FinishScratch(const FeaturePlan& feature, const FinishMoment& moment,
                              const std::byte* scratch) {
  std::array<const void*, 8> parts;
  for (size_t p = 0; p < feature.parts.size(); ++p) parts[p] = scratch + feature.parts[p].scratch;
  return feature.aggregation->finish({parts.data(), feature.parts.size()}, feature.context, moment);
}

Cell Row::Impl::FinishRuns(const FeaturePlan& feature, const FinishMoment& moment,
                           std::byte* scratch) const {
  const RunList& list = runs[feature.list];
  const size_t run = CoveredRun(layout->view, feature, list, newest, moment.read);
  if (run < list.size()) return FinishHeld(feature, moment, list.accumulators(run));
  std::memset(scratch, 0, feature.scratch_bytes);
  return FinishScratch(feature, moment, scratch);
}

// The events that are covered, replayed in their order.
Cell Row::Impl::FinishLog(const FeaturePlan& feature, const FinishMoment& moment,
                          std::byte* scratch) const {
  const CoveredEvents covered = CoveredOf(feature, *log, newest, moment.read);
  Replayed kept;
  if (feature.replay.destroys()) {
    kept.memory = std::make_unique<std::byte[]>(feature.scratch_bytes);
    kept.set = &feature.replay;
    scratch = kept.memory.get();
  }
  std::memset(scratch, 0, feature.scratch_bytes);
  std::vector<Value> fields(layout->source.fields.size());
  for (size_t i = covered.begin; i < covered.end; ++i) {
    log->Restore(i, fields);
    feature.replay.Add(scratch, {log->at(i).time, log->at(i).at, fields});
  }
  Cell cell = FinishScratch(feature, moment, scratch);
  if (kept.set != nullptr) replayed.push_back(std::move(kept));
  if (feature.window.kind == WindowKind::kExact) {
    // The greatest that max_events leaves out, here or of the log.
    const size_t dropped = log->size() - std::min<size_t>(log->size(), feature.window.events);
    const std::optional<Timestamp> greatest =
        dropped > 0 ? std::optional(log->at(dropped - 1).time) : log->greatest_dropped();
    cell.degraded |= greatest && *greatest > moment.read - feature.window.length;
  }
  return cell;
}

Cell Row::Impl::FinishPanes(const FeaturePlan& feature, const FinishMoment& moment, bool ended_only,
                            std::byte* scratch) const {
  PaneRange range =
      feature.zone ? CoveredCalendarPanes(feature.window, *feature.zone, moment.read, ended_only)
                   : CoveredPanes(feature.window, moment.read, ended_only);
  // What the feature itself evicts, whatever else the ring keeps.
  range.begin = std::max(range.begin, EvictionEdge(feature.grid, newest, *feature.keep));
  std::memset(scratch, 0, feature.scratch_bytes);
  for (uint32_t r = feature.ring_begin; r < feature.ring_end; ++r) {
    const PaneRing& ring = rings[r];
    for (size_t i = ring.LowerBound(range.begin); i < ring.size() && ring.start(i) < range.end;
         ++i) {
      const std::byte* pane = ring.accumulators(i);
      for (const FeaturePlan::Part& part : feature.parts) {
        part.ops->combine_borrowed(scratch + part.scratch,
                                   pane + part.offsets[r - feature.ring_begin]);
      }
    }
  }
  const Cell cell = FinishScratch(feature, moment, scratch);
  for (const FeaturePlan::Part& part : feature.parts) {
    if (part.ops->destroy != nullptr) part.ops->destroy(scratch + part.scratch);
  }
  return cell;
}

Cell Row::Impl::FinishFeature(const FeaturePlan& feature, const FinishMoment& moment,
                              bool ended_only, std::byte* scratch) const {
  switch (feature.place) {
    case FeaturePlace::kPanes:
      return FinishPanes(feature, moment, ended_only, scratch);
    case FeaturePlace::kRuns:
      return FinishRuns(feature, moment, scratch);
    case FeaturePlace::kLog:
      return FinishLog(feature, moment, scratch);
    case FeaturePlace::kLatest:
      return latest->Finish(feature.list, moment.read, layout->view.ttl);
    case FeaturePlace::kLifetime:
      break;
  }
  return FinishHeld(feature, moment, lifetime->accumulators(0));
}

std::optional<Timestamp> Row::Finish(const ReadTime& read, std::span<const uint32_t> features,
                                     std::span<Cell> out) const {
  const std::optional<Timestamp> time = FinishWithoutDefaults(read, features, out);
  for (size_t i = 0; i < features.size(); ++i) {
    const Value& when_empty = impl_->layout->features[features[i]].when_empty;
    const CellStatus status = out[i].status;
    if (status == CellStatus::kNullValue && !when_empty.is_null()) {
      out[i].status = CellStatus::kPresent;
      out[i].value = when_empty;
    } else if (status == CellStatus::kNotFound || status == CellStatus::kOutsideMaxAge) {
      out[i].value = when_empty;
    }
    out[i].degraded &= out[i].status == CellStatus::kPresent;
  }
  return time;
}

std::optional<Timestamp> Row::FinishWithoutDefaults(const ReadTime& read,
                                                    std::span<const uint32_t> features,
                                                    std::span<Cell> out) const {
  const FeatureView& view = impl_->layout->view;
  const bool before_delete = read.as_of && impl_->deleted && *read.as_of < *impl_->deleted;
  const std::optional<Timestamp> time = impl_->TimeAsOf(read);
  const CellStatus row_status = StatusByAge(view, time, read.at());
  const Timestamp q = ClampRead(read.at());
  const bool ended_only = read.as_of && *read.as_of < impl_->newest;
  Scratch scratch(impl_->layout->scratch_bytes_max);
  for (size_t i = 0; i < features.size(); ++i) {
    const FeaturePlan& feature = impl_->layout->features[features[i]];
    if (before_delete || OutsideHistory(view, feature, read)) {
      out[i] = {.status = CellStatus::kOutsideHistory};
      continue;
    }
    if (row_status != CellStatus::kPresent) {
      out[i] = {.status = row_status};
      continue;
    }
    // What has no history answers from every event, whatever the as_of.
    const FinishMoment moment{q, feature.window.has_history() ? *time : impl_->newest,
                              &impl_->packed};
    out[i] = impl_->FinishFeature(feature, moment, ended_only, scratch.get());
  }
  if (before_delete || row_status == CellStatus::kNotFound) return std::nullopt;
  if (read.as_of && *read.as_of < read.now - view.history) return std::nullopt;
  return time;
}

void FinishMissing(const RowLayout& layout, const ReadTime& read,
                   std::span<const uint32_t> features, std::span<Cell> out) {
  for (size_t i = 0; i < features.size(); ++i) {
    const FeaturePlan& feature = layout.impl().features[features[i]];
    if (OutsideHistory(layout.view(), feature, read)) {
      out[i] = {.status = CellStatus::kOutsideHistory};
    } else {
      out[i] = {.status = CellStatus::kNotFound, .value = feature.when_empty};
    }
  }
}

std::optional<RowTimes> PeekTimes(std::string_view bytes) {
  if (bytes.size() < kBodyAt) return std::nullopt;
  const auto format = static_cast<uint8_t>(bytes[0]);
  if (format < kRowFormat || format > kRowFormatDeleted) return std::nullopt;
  ByteReader reader(bytes.substr(kNewestAt));
  const Timestamp newest{static_cast<int64_t>(reader.Fixed64())};
  if (!IsEventTime(newest)) return std::nullopt;
  if (format == kRowFormatDeleted) return RowTimes{std::nullopt, newest};
  if (format == kRowFormat) return RowTimes{newest, std::nullopt};
  const Timestamp deleted = newest - ReadTimeSpan(reader);  // saturates
  if (!reader.ok() || !IsEventTime(deleted)) return std::nullopt;
  return RowTimes{newest, deleted};
}

std::optional<Timestamp> PeekNewest(std::string_view bytes) {
  const std::optional<RowTimes> times = PeekTimes(bytes);
  return times ? times->newest : std::nullopt;
}

}  // namespace freshet
