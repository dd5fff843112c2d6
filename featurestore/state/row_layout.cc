#include "featurestore/state/row_layout.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "featurestore/base/hash.h"
#include "featurestore/model/default_value.h"
#include "featurestore/model/packed.h"
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

Value WhenEmpty(const Feature& feature, const Aggregation& aggregation) {
  if (feature.default_value) return AsValue(*feature.default_value, feature.type);
  if (!aggregation.zero_when_empty) return {};
  if (IsMap(feature.type)) return EmptyPacked(feature.type);  // 0 of every key
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
      !fits(view.dedup_within) || (view.ttl && !fits(*view.ttl))) {
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
    if (impl_->view.latest_values) {
      RETURN_IF_ERROR(PlanLatest(*impl_));
      ASSIGN_OR_RETURN(impl_->ids, IdListLayout::Of(impl_->source));
      return std::move(impl_);
    }
    for (const Feature& feature : impl_->view.features) RETURN_IF_ERROR(Plan(feature));
    RETURN_IF_ERROR(MakeRings());
    RETURN_IF_ERROR(MakeLifetime());
    RETURN_IF_ERROR(MakeSessions());
    RETURN_IF_ERROR(MakeLog());
    ASSIGN_OR_RETURN(impl_->ids, IdListLayout::Of(impl_->source));
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
    for (const std::optional<uint32_t> field :
         {feature.of, feature.arguments.order_by, feature.arguments.by}) {
      if (field && *field >= impl_->source.fields.size()) {
        return Internal("view {}: feature {}: its source has no field {}", view.name, feature.name,
                        *field);
      }
    }
    const auto type = [&](std::optional<uint32_t> field) {
      return field ? std::optional(impl_->source.fields[*field].type) : std::nullopt;
    };
    const std::optional<Type> of = type(feature.of);
    const std::optional<Type> by = type(feature.arguments.by);
    if (aggregation->ResultType(of, feature.arguments, by) != feature.type) {
      return Internal("view {}: feature {}: {} does not give {}", view.name, feature.name,
                      feature.aggregate, TypeName(feature.type));
    }
    RETURN_IF_ERROR(aggregation->CheckArguments(feature));
    aggregation = &aggregation->Form(feature.arguments);
    const std::vector<uint32_t>& columns = feature.arguments.of;
    FeaturePlan plan;
    plan.aggregation = aggregation;
    plan.context = {.of = of,
                    .order_by = type(feature.arguments.order_by),
                    .by = by,
                    .arguments = &feature.arguments,
                    .length = HasLength(feature.window) ? feature.window.length : Duration{},
                    .column = columns.empty()
                                  ? 0
                                  : static_cast<uint32_t>(
                                        std::find(columns.begin(), columns.end(), feature.of) -
                                        columns.begin())};
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

}  // namespace freshet
