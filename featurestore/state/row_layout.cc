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
        if constexpr (std::is_same_v<T, std::string>) {
          return IsScalar(type) ? Value::Text(v) : Value::Packed(v);
        }
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
    specs.push_back(SpecOf(kind, feature));
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

bool Fits(const Window& w) {
  const bool has_length = w.kind != WindowKind::kLifetime && w.kind != WindowKind::kRows;
  if (has_length && (w.length.us <= 0 || w.length > kLongest)) return false;
  if (w.kind == WindowKind::kRows || w.kind == WindowKind::kExact) return w.events > 0;
  if (!w.has_panes()) return true;
  const bool tumbling = w.kind == WindowKind::kTumbling;
  if (w.hop.us <= 0 || w.hop > kLongest || w.offset.us < 0 ||
      w.offset >= (tumbling ? w.length : w.hop)) {
    return false;
  }
  // A calendar's buckets differ in length; what they are found by begins with a pane.
  return w.kind == WindowKind::kSliding || w.calendar != CalendarUnit::kNone ||
         w.length.us % w.hop.us == 0;
}

Status CheckWindow(const FeatureView& view, const Feature& feature) {
  if (Fits(feature.window)) return OkStatus();
  return Internal("view {}: feature {}: its window's length, hop and offset do not fit each other",
                  view.name, feature.name);
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
    RETURN_IF_ERROR(MakeSessions());
    RETURN_IF_ERROR(MakeLog());
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
    for (const std::optional<uint32_t> field : {feature.of, feature.arguments.order_by}) {
      if (field && *field >= impl_->source.fields.size()) {
        return Internal("view {}: feature {}: its source has no field {}", view.name, feature.name,
                        *field);
      }
    }
    const auto type = [&](std::optional<uint32_t> field) {
      return field ? std::optional(impl_->source.fields[*field].type) : std::nullopt;
    };
    const std::optional<Type> of = type(feature.of);
    if (aggregation->ResultType(of) != feature.type) {
      return Internal("view {}: feature {}: {} does not give {}", view.name, feature.name,
                      feature.aggregate, TypeName(feature.type));
    }
    RETURN_IF_ERROR(aggregation->CheckArguments(feature));
    FeaturePlan plan;
    plan.aggregation = aggregation;
    plan.context = {.of = of,
                    .order_by = type(feature.arguments.order_by),
                    .arguments = &feature.arguments,
                    .length = HasLength(feature.window) ? feature.window.length : Duration{}};
    plan.window = feature.window;
    plan.when_empty = WhenEmpty(feature, *aggregation);
    needs_.push_back(Needs(feature, *aggregation, of));
    RETURN_IF_ERROR(Place(feature, plan));
    impl_->features.push_back(std::move(plan));
    return OkStatus();
  }

  Status Place(const Feature& feature, FeaturePlan& plan) {
    const FeatureView& view = impl_->view;
    const Window& window = feature.window;
    switch (window.kind) {
      case WindowKind::kSliding:
      case WindowKind::kTumbling:
      case WindowKind::kHopping:
        plan.grid = GridOf(window);
        plan.keep = window.reach() + view.history + view.max_future_skew;
        break;
      case WindowKind::kLifetime:
        plan.place = view.ttl ? FeaturePlace::kRuns : FeaturePlace::kLifetime;
        break;
      case WindowKind::kSession:
        plan.place = FeaturePlace::kRuns;
        break;
      case WindowKind::kRows:
        plan.place = FeaturePlace::kLog;
        plan.keep = view.ttl;
        break;
      case WindowKind::kExact:
        plan.place = FeaturePlace::kLog;
        plan.keep = window.length + view.history + view.max_future_skew;
        break;
    }
    if (window.calendar == CalendarUnit::kNone) return OkStatus();
    plan.zone = TimeZone::Find(window.time_zone);
    if (plan.zone) return OkStatus();
    return Internal("view {}: feature {}: there is no time zone {} on this machine", view.name,
                    feature.name, window.time_zone);
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
      if (impl_->features[f].window.kind != WindowKind::kLifetime) continue;
      any = true;
      needs.insert(needs.end(), needs_[f].begin(), needs_[f].end());
    }
    if (!any) return OkStatus();
    ASSIGN_OR_RETURN(AccumulatorSet set, MakeSet(std::move(needs)));
    if (impl_->view.ttl) {
      impl_->runs.push_back(RunLayout::Lifetime(*impl_->view.ttl, impl_->view.lateness));
      impl_->runs.back().set = std::move(set);
      impl_->lifetime_runs = true;
    } else {
      impl_->lifetime = std::move(set);
    }
    return OkStatus();
  }

  // One list a gap.
  Status MakeSessions() {
    struct Sessions {
      bool ended = false;
      std::vector<AccumulatorSpec> needs;
      std::vector<size_t> features;
    };
    std::map<Duration, Sessions> by_gap;
    for (size_t f = 0; f < impl_->features.size(); ++f) {
      const Window& window = impl_->features[f].window;
      if (window.kind != WindowKind::kSession) continue;
      Sessions& sessions = by_gap[window.length];
      sessions.ended |= window.completed;
      sessions.needs.insert(sessions.needs.end(), needs_[f].begin(), needs_[f].end());
      sessions.features.push_back(f);
    }
    const FeatureView& view = impl_->view;
    for (auto& [gap, sessions] : by_gap) {
      for (const size_t f : sessions.features) {
        impl_->features[f].list = static_cast<uint32_t>(impl_->runs.size());
      }
      impl_->runs.push_back(
          RunLayout::Session(gap, view.lateness, view.max_future_skew, sessions.ended));
      ASSIGN_OR_RETURN(impl_->runs.back().set, MakeSet(std::move(sessions.needs)));
    }
    return OkStatus();
  }

  // One log for all rows and exact windows.
  Status MakeLog() {
    EventLogLayout log;
    std::map<std::string_view, uint32_t> fields;
    for (size_t f = 0; f < impl_->features.size(); ++f) {
      FeaturePlan& feature = impl_->features[f];
      if (feature.place != FeaturePlace::kLog) continue;
      const bool exact = feature.window.kind == WindowKind::kExact;
      const EventLogLayout::Need need{feature.window.events, feature.keep, exact};
      if (std::find(log.needs.begin(), log.needs.end(), need) == log.needs.end()) {
        log.needs.push_back(need);
      }
      impl_->log_has_history |= exact;
      for (const AccumulatorSpec& spec : needs_[f]) {
        for (const uint32_t field : FieldsOf(spec)) {
          fields.emplace(impl_->source.fields[field].name, field);
        }
      }
      ASSIGN_OR_RETURN(feature.replay, MakeSet(needs_[f]));
    }
    if (log.needs.empty()) return OkStatus();
    for (const auto& [name, field] : fields) {
      log.columns.push_back({field, impl_->source.fields[field].type});
    }
    impl_->has_text |= log.has_text();  // also where it is only counted
    impl_->log = std::move(log);
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
    if (feature.place == FeaturePlace::kLog) return FindReplayed(f);
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
      sets.push_back(feature.place == FeaturePlace::kRuns ? &impl_->runs[feature.list].set
                                                          : &*impl_->lifetime);
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

  // Events are replayed through a set of the feature's own, which stands in the scratch memory.
  void FindReplayed(size_t f) {
    FeaturePlan& feature = impl_->features[f];
    for (const AccumulatorSpec& spec : needs_[f]) {
      const AccumulatorSet::Slot* slot = feature.replay.Find(spec);
      feature.parts.push_back({.ops = slot->ops, .scratch = slot->offset, .offsets = {}});
    }
    feature.scratch_bytes = feature.replay.bytes();
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
