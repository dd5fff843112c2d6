// What a layout tells of its rows: their parts, and the most bytes that they take.
#include <algorithm>

#include "featurestore/state/row_layout.h"
#include "featurestore/state/row_layout_impl.h"

namespace freshet {
namespace {

// Panes of ring r of a chain: from its own edge to the farthest edge of finer rings, which hold what is newer.
uint64_t PanesMax(const RowLayout::Impl& impl, const ChainLayout& chain, uint32_t r) {
  Duration finer{-1};
  for (uint32_t k = chain.begin; k < r; ++k) finer = std::max(finer, impl.rings[k].keep);
  const RingLayout& ring = impl.rings[r];
  if (finer >= ring.keep) return 0;
  const int64_t span = ring.keep.us - std::max<int64_t>(finer.us, 0);
  return static_cast<uint64_t>(span / ring.grid.hop.us) + 2;
}

constexpr uint64_t kRunTimesMax = 2 * 6;  // of a run: its length, its distance from the next
constexpr uint64_t kLogHeadMax =
    3 + 9 + 6;  // count; of the newest event its place; the greatest time dropped

// Runs are further apart than what joins, so only so many end within what is kept.
uint64_t RunsMax(const RunLayout& list) {
  return static_cast<uint64_t>(list.keep.us / (list.joins.us + 1)) + 1 +
         (list.keeps_one_more ? 1 : 0);
}

uint64_t PaneBytesMax(const RingLayout& ring) {
  constexpr uint64_t kIndexMax = 2;
  constexpr uint64_t kTimeMax = 6;
  return kIndexMax + (ring.keeps_times ? kTimeMax : 0) + ring.set.encoded_max();
}

}  // namespace

RowSize RowLayout::size() const {
  constexpr uint64_t kHeader = 1 + 2 + 8;
  RowSize size;
  size.bytes_max = kHeader;
  size.bytes_one_event = kHeader;
  for (const ChainLayout& chain : impl_->chains) {
    for (uint32_t r = chain.begin; r < chain.end; ++r) {
      const uint64_t panes = PanesMax(*impl_, chain, r);
      const uint64_t bytes = PaneBytesMax(impl_->rings[r]);
      size.panes_max += panes;
      size.bytes_per_pane_max = std::max(size.bytes_per_pane_max, bytes);
      size.bytes_max += (panes < 128 ? 1 : 2) + panes * bytes;
      size.bytes_one_event += 1;
      if (r == chain.begin) {
        const AccumulatorSet& set = impl_->rings[r].set;
        size.bytes_one_event += bytes - set.encoded_max() + set.encoded_one();
      }
    }
  }
  for (const RunLayout& list : impl_->runs) {
    const uint64_t runs = RunsMax(list);
    size.runs_max += runs;
    size.bytes_max += (runs < 128 ? 1 : 2) + runs * (kRunTimesMax + list.set.encoded_max());
    size.bytes_one_event += 2 + list.set.encoded_one();
  }
  if (impl_->log) {
    size.events_max = impl_->log->events_max();
    size.bytes_max += kLogHeadMax + size.events_max * impl_->log->encoded_max();
    size.bytes_one_event += kLogHeadMax + impl_->log->encoded_max();
  }
  if (impl_->ids) {
    size.ids_max = impl_->ids->max_ids();
    size.ids_bytes_max = impl_->ids->encoded_max(size.ids_max);
    size.bytes_max += size.ids_bytes_max;
    size.bytes_one_event += impl_->ids->encoded_max(1);
  }
  if (impl_->latest) {
    size.bytes_max += impl_->latest->encoded_max(RowSize::kAssumedTextBytes);
    size.bytes_one_event += impl_->latest->encoded_one(RowSize::kAssumedTextBytes);
  }
  if (impl_->lifetime) {
    size.bytes_max += impl_->lifetime->encoded_max();
    size.bytes_one_event += impl_->lifetime->encoded_one();
  }
  return size;
}

std::vector<RunListInfo> RowLayout::run_lists() const {
  std::vector<RunListInfo> infos;
  for (const RunLayout& list : impl_->runs) {
    RunListInfo& info = infos.emplace_back();
    const bool lifetime = impl_->lifetime_runs && infos.size() == 1;
    if (!lifetime) info.gap = list.joins + Duration{1};
    info.runs_max = RunsMax(list);
    for (const auto& slot : list.set.slots()) {
      info.accumulators.push_back(ToString(slot.spec, impl_->source));
    }
  }
  return infos;
}

std::vector<std::string> RowLayout::log_fields() const {
  std::vector<std::string> names;
  if (!impl_->log) return names;
  for (const EventLogLayout::Column& column : impl_->log->columns) {
    names.push_back(impl_->source.fields[column.field].name);
  }
  return names;
}

std::vector<RingInfo> RowLayout::rings() const {
  std::vector<RingInfo> infos;
  const Duration beyond_reach = impl_->view.history + impl_->view.max_future_skew;
  for (uint32_t c = 0; c < impl_->chains.size(); ++c) {
    const ChainLayout& chain = impl_->chains[c];
    for (uint32_t r = chain.begin; r < chain.end; ++r) {
      const RingLayout& ring = impl_->rings[r];
      RingInfo& info = infos.emplace_back();
      info.chain = c;
      info.hop = ring.grid.hop;
      info.offset = ring.grid.offset;
      info.longest_window = ring.keep - beyond_reach;
      info.panes_max = PanesMax(*impl_, chain, r);
      for (const auto& slot : ring.set.slots()) {
        info.accumulators.push_back(ToString(slot.spec, impl_->source));
      }
    }
  }
  return infos;
}

}  // namespace freshet
