#include "featurestore/state/row_layout.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "featurestore/base/hash.h"
#include "featurestore/state/row_layout_impl.h"

namespace freshet {
namespace {

// So that no sum of an event time and declared durations leaves int64.
constexpr Duration kLongest = Duration::Days(400 * 366);

// A chain while it is built: for each ring its grid, reach and own needs.
struct RingPlan {
  PaneGrid grid;
  Duration reach;
  std::vector<AccumulatorSpec> needs;
};

bool Joins(const PaneGrid& finer, const PaneGrid& coarser) {
  return coarser.hop.us % finer.hop.us == 0 &&
         (coarser.offset.us - finer.offset.us) % finer.hop.us == 0;
}

// Rings in order of hop and offset; each goes to the chain whose coarsest ring is the greatest that divides it.
// Deterministic: stored rows depend on it (docs/storage_format.md).
std::vector<std::vector<RingPlan>> MakeChains(std::vector<RingPlan> rings) {
  std::sort(rings.begin(), rings.end(), [](const RingPlan& a, const RingPlan& b) {
    return std::tuple(a.grid.hop, a.grid.offset) < std::tuple(b.grid.hop, b.grid.offset);
  });
  std::vector<std::vector<RingPlan>> chains;
  for (RingPlan& ring : rings) {
    std::vector<RingPlan>* best = nullptr;
    for (auto& chain : chains) {
      if (!Joins(chain.back().grid, ring.grid)) continue;
      if (best == nullptr || chain.back().grid.hop > best->back().grid.hop) best = &chain;
    }
    if (best == nullptr) best = &chains.emplace_back();
    best->push_back(std::move(ring));
  }
  return chains;
}

Value AsValue(const DefaultValue& value, Type type) {
  return std::visit(
      [&]<typename T>(const T& v) {
        if constexpr (std::is_same_v<T, bool>) return Value::Bool(v);
        if constexpr (std::is_same_v<T, int64_t>) {
          return type == Type::kInt64 ? Value::Int64(v) : Value::Double(static_cast<double>(v));
        }
        if constexpr (std::is_same_v<T, double>) return Value::Double(v);
        if constexpr (std::is_same_v<T, std::string>) return Value::Text(v);
        if constexpr (std::is_same_v<T, Timestamp>) return Value::Time(v);
      },
      value);
}

Value WhenEmpty(const Feature& feature, const Aggregation& aggregation) {
  if (feature.default_value) return AsValue(*feature.default_value, feature.type);
  if (!aggregation.zero_when_empty) return {};
  return feature.type == Type::kInt64 ? Value::Int64(0) : Value::Double(0);
}

std::vector<AccumulatorSpec> Needs(const Feature& feature, const Aggregation& aggregation,
                                   std::optional<Type> of) {
  std::vector<AccumulatorSpec> specs;
  for (const AccumulatorKind kind : aggregation.needs(of)) {
    specs.push_back(
        {kind, kind == AccumulatorKind::kRowCount ? std::nullopt : feature.of, feature.where});
  }
  return specs;
}

Status CheckDurations(const FeatureView& view) {
  const auto fits = [](Duration d) { return d >= Duration{} && d <= kLongest; };
  if (!fits(view.history) || !fits(view.lateness) || !fits(view.max_future_skew) ||
      (view.ttl && !fits(*view.ttl))) {
    return Internal("view {}: a duration is negative or above {}", view.name,
                    FormatDuration(kLongest));
  }
  return OkStatus();
}

Status CheckWindow(const FeatureView& view, const Feature& feature) {
  const Window& w = feature.window;
  if (!w.has_panes()) return OkStatus();
  const bool tumbling = w.kind == WindowKind::kTumbling;
  if (w.length.us <= 0 || w.length > kLongest || w.hop.us <= 0 || w.hop > kLongest ||
      w.offset.us < 0 || w.offset >= (tumbling ? w.length : w.hop) ||
      (tumbling && w.length.us % w.hop.us != 0)) {
    return Internal(
        "view {}: feature {}: its window's length, hop and offset do not fit each other", view.name,
        feature.name);
  }
  return OkStatus();
}

uint16_t TagOf(const std::string& version) { return static_cast<uint16_t>(Hash64(version)); }

// Fills Impl step by step.
class Compiler {
 public:
  Compiler(const FeatureView& view, const Source& source)
      : impl_(std::make_unique<RowLayout::Impl>()) {
    impl_->view = view;
    impl_->source = source;
    impl_->version_tag = TagOf(view.version);
  }

  StatusOr<std::unique_ptr<const RowLayout::Impl>> Run() {
    RETURN_IF_ERROR(CheckDurations(impl_->view));
    for (const Feature& feature : impl_->view.features) RETURN_IF_ERROR(Plan(feature));
    RETURN_IF_ERROR(MakeRings());
    RETURN_IF_ERROR(MakeLifetime());
    for (size_t f = 0; f < impl_->features.size(); ++f) FindParts(f);
    return std::move(impl_);
  }

 private:
  Status Plan(const Feature& feature) {
    const FeatureView& view = impl_->view;
    RETURN_IF_ERROR(CheckWindow(view, feature));
    const Aggregation* aggregation = FindAggregation(feature.aggregate);
    if (aggregation == nullptr) {
      return Internal("view {}: feature {}: no aggregation {}", view.name, feature.name,
                      feature.aggregate);
    }
    if (feature.of && *feature.of >= impl_->source.fields.size()) {
      return Internal("view {}: feature {}: its source has no field {}", view.name, feature.name,
                      *feature.of);
    }
    const std::optional<Type> of =
        feature.of ? std::optional(impl_->source.fields[*feature.of].type) : std::nullopt;
    if (aggregation->ResultType(of) != feature.type) {
      return Internal("view {}: feature {}: {} does not give {}", view.name, feature.name,
                      feature.aggregate, TypeName(feature.type));
    }
    FeaturePlan plan;
    plan.aggregation = aggregation;
    plan.context = {.of = of};
    plan.window = feature.window;
    plan.when_empty = WhenEmpty(feature, *aggregation);
    needs_.push_back(Needs(feature, *aggregation, of));
    if (feature.window.has_panes()) {
      plan.grid = GridOf(feature.window);
      plan.keep = feature.window.reach() + view.history + view.max_future_skew;
    } else {
      plan.place = view.ttl ? FeaturePlace::kRuns : FeaturePlace::kLifetime;
    }
    impl_->features.push_back(std::move(plan));
    return OkStatus();
  }

  // One ring a grid; rings into chains; in a chain each ring stores what it and coarser ones need.
  Status MakeRings() {
    std::vector<RingPlan> plans;
    for (size_t f = 0; f < impl_->features.size(); ++f) {
      const FeaturePlan& feature = impl_->features[f];
      if (feature.place != FeaturePlace::kPanes) continue;
      auto ring = std::find_if(plans.begin(), plans.end(),
                               [&](const RingPlan& r) { return r.grid == feature.grid; });
      if (ring == plans.end()) ring = plans.insert(plans.end(), RingPlan{feature.grid, {}, {}});
      ring->reach = std::max(ring->reach, feature.window.reach());
      ring->needs.insert(ring->needs.end(), needs_[f].begin(), needs_[f].end());
    }
    const FeatureView& view = impl_->view;
    for (std::vector<RingPlan>& chain : MakeChains(std::move(plans))) {
      ChainLayout layout;
      layout.begin = static_cast<uint32_t>(impl_->rings.size());
      for (size_t r = chain.size() - 1; r-- > 0;) {
        chain[r].needs.insert(chain[r].needs.end(), chain[r + 1].needs.begin(),
                              chain[r + 1].needs.end());
      }
      for (RingPlan& ring : chain) {
        ASSIGN_OR_RETURN(AccumulatorSet set, MakeSet(std::move(ring.needs)));
        impl_->rings.push_back({.grid = ring.grid,
                                .keep = ring.reach + view.history + view.max_future_skew,
                                .keeps_times = view.history > Duration{},
                                .set = std::move(set)});
      }
      layout.end = static_cast<uint32_t>(impl_->rings.size());
      MakeFolds(layout);
      impl_->chains.push_back(std::move(layout));
    }
    return OkStatus();
  }

  void MakeFolds(ChainLayout& layout) {
    const size_t size = layout.end - layout.begin;
    layout.folds.assign(size, std::vector<CombinePlan>(size));
    for (size_t from = 0; from < size; ++from) {
      for (size_t to = from + 1; to < size; ++to) {
        layout.folds[from][to] =
            CombinePlan(impl_->rings[layout.begin + to].set, impl_->rings[layout.begin + from].set);
      }
    }
  }

  Status MakeLifetime() {
    std::vector<AccumulatorSpec> needs;
    bool any = false;
    for (size_t f = 0; f < impl_->features.size(); ++f) {
      if (impl_->features[f].place == FeaturePlace::kPanes) continue;
      any = true;
      needs.insert(needs.end(), needs_[f].begin(), needs_[f].end());
    }
    if (!any) return OkStatus();
    ASSIGN_OR_RETURN(AccumulatorSet set, MakeSet(std::move(needs)));
    if (impl_->view.ttl) {
      impl_->runs = RunLayout{*impl_->view.ttl, impl_->view.lateness, std::move(set)};
    } else {
      impl_->lifetime = std::move(set);
    }
    return OkStatus();
  }

  StatusOr<AccumulatorSet> MakeSet(std::vector<AccumulatorSpec> needs) {
    ASSIGN_OR_RETURN(AccumulatorSet set, AccumulatorSet::Make(std::move(needs), impl_->source));
    impl_->has_text |= set.has_text();
    return set;
  }

  // Where in which sets the feature's accumulators stand.
  void FindParts(size_t f) {
    FeaturePlan& feature = impl_->features[f];
    std::vector<const AccumulatorSet*> sets;
    if (feature.place == FeaturePlace::kPanes) {
      for (const ChainLayout& chain : impl_->chains) {
        for (uint32_t r = chain.begin; r < chain.end; ++r) {
          if (impl_->rings[r].grid != feature.grid) continue;
          feature.ring_begin = chain.begin;
          feature.ring_end = r + 1;
        }
      }
      for (uint32_t r = feature.ring_begin; r < feature.ring_end; ++r) {
        sets.push_back(&impl_->rings[r].set);
      }
    } else {
      sets.push_back(feature.place == FeaturePlace::kRuns ? &impl_->runs->set : &*impl_->lifetime);
    }
    for (const AccumulatorSpec& spec : needs_[f]) {
      FeaturePlan::Part part;
      part.ops = sets.front()->Find(spec)->ops;
      part.scratch = feature.scratch_bytes;
      for (const AccumulatorSet* set : sets) part.offsets.push_back(set->Find(spec)->offset);
      feature.scratch_bytes += (part.ops->size + 7) / 8 * 8;
      feature.parts.push_back(std::move(part));
    }
    impl_->scratch_bytes_max = std::max(impl_->scratch_bytes_max, feature.scratch_bytes);
  }

  std::unique_ptr<RowLayout::Impl> impl_;
  std::vector<std::vector<AccumulatorSpec>> needs_;  // of each feature
};

// Panes of ring r of a chain: from its own edge to the farthest edge of finer rings, which hold what is newer.
uint64_t PanesMax(const RowLayout::Impl& impl, const ChainLayout& chain, uint32_t r) {
  Duration finer{-1};
  for (uint32_t k = chain.begin; k < r; ++k) finer = std::max(finer, impl.rings[k].keep);
  const RingLayout& ring = impl.rings[r];
  if (finer >= ring.keep) return 0;
  const int64_t span = ring.keep.us - std::max<int64_t>(finer.us, 0);
  return static_cast<uint64_t>(span / ring.grid.hop.us) + 2;
}

uint64_t PaneBytesMax(const RingLayout& ring) {
  constexpr uint64_t kIndexMax = 2;
  constexpr uint64_t kTimeMax = 6;
  return kIndexMax + (ring.keeps_times ? kTimeMax : 0) + ring.set.encoded_max();
}

}  // namespace

RowLayout::RowLayout(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
RowLayout::~RowLayout() = default;

StatusOr<std::shared_ptr<const RowLayout>> RowLayout::Compile(const FeatureView& view,
                                                              const Source& source) {
  ASSIGN_OR_RETURN(std::unique_ptr<const Impl> impl, Compiler(view, source).Run());
  return std::shared_ptr<const RowLayout>(new RowLayout(std::move(impl)));
}

const FeatureView& RowLayout::view() const { return impl_->view; }
uint16_t RowLayout::version_tag() const { return impl_->version_tag; }

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
      size.bytes_one_event += 1 + (r == chain.begin ? bytes : 0);
    }
  }
  if (impl_->runs) {
    // A run list keeps what ended within gap + lateness: at most one run beyond the gap, and as many as
    // fit the lateness; one is what nearly every row holds.
    constexpr uint64_t kRunTimesMax = 6;
    size.bytes_max += 1 + kRunTimesMax + impl_->runs->set.encoded_max();
    size.bytes_one_event += 2 + impl_->runs->set.encoded_max();
  }
  if (impl_->lifetime) {
    size.bytes_max += impl_->lifetime->encoded_max();
    size.bytes_one_event += impl_->lifetime->encoded_max();
  }
  return size;
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
