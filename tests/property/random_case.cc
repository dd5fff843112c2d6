#include "tests/property/random_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace freshet::property {
namespace {

// Field 0 is the entity's key; the others are aggregated.
const std::vector<Field>& Fields() {
  static const std::vector<Field> fields = {
      {"card", Type::kString, {}, {}}, {"n", Type::kInt64, {}, {}},  {"x", Type::kDouble, {}, {}},
      {"y", Type::kFloat, {}, {}},     {"s", Type::kString, {}, {}}, {"b", Type::kBool, {}, {}},
      {"t", Type::kTimestamp, {}, {}}};
  return fields;
}

// How numbers of one case are drawn: what breaks a naive sum differs.
enum class Numbers { kSmall, kFarFromZero, kMixedSizes, kHuge };

Window RandomWindow(Random& random, Duration unit) {
  Window window;
  if (random.Chance(0.2)) return window;  // lifetime
  const std::vector<int64_t> hops = {1, 2, 3, 5, 6, 7, 10, 30, 60};
  window.hop = {unit.us * random.OneOf(hops)};
  const int64_t panes = random.Chance(0.2) ? random.Between(1, 300) : random.Between(1, 24);
  window.length = {window.hop.us * panes};
  if (random.Chance(0.5)) {
    window.kind = WindowKind::kSliding;
    // A window need not be a whole number of hops.
    if (random.Chance(0.3)) window.length.us += random.Between(0, window.hop.us - 1);
    if (random.Chance(0.3)) window.offset.us = random.Between(0, window.hop.us - 1);
    // Offsets that agree make rings share a chain.
    if (random.Chance(0.2)) window.offset = {std::min(unit.us / 2, window.hop.us - 1)};
  } else {
    window.kind = WindowKind::kTumbling;
    if (random.Chance(0.5)) window.hop = window.length;
    if (random.Chance(0.3)) window.offset.us = random.Between(0, window.length.us - 1);
    window.completed = random.Chance(0.4);
  }
  return window;
}

DefaultValue RandomDefault(Random& random, Type type) {
  switch (type) {
    case Type::kBool:
      return random.Chance(0.5);
    case Type::kInt64:
      return random.Between(-5, 5);
    case Type::kString:
      return std::string("none");
    case Type::kTimestamp:
      return Timestamp{random.Between(0, 1'000'000)};
    default:
      return random.Real(-5, 5);
  }
}

Feature RandomFeature(Random& random, Duration unit, size_t index) {
  static const std::vector<std::string> numeric = {"count",  "sum",     "mean",       "variance",
                                                   "stddev", "var_pop", "stddev_pop", "min",
                                                   "max",    "first",   "last"};
  static const std::vector<std::string> any = {"count", "min", "max", "first", "last"};
  Feature feature;
  feature.name = fmt::format("f{}", index);
  const auto of =
      static_cast<uint32_t>(random.Chance(0.7) ? random.Between(1, 3) : random.Between(4, 6));
  const Type type = Fields()[of].type;
  feature.aggregate = random.OneOf(IsNumeric(type) ? numeric : any);
  feature.declared = feature.name;
  feature.of = of;
  feature.type = Type::kDouble;
  if (feature.aggregate == "count") {
    if (random.Chance(0.5)) feature.of.reset();
    feature.type = Type::kInt64;
  } else if (feature.aggregate == "sum") {
    feature.type = type == Type::kInt64 ? Type::kInt64 : Type::kDouble;
  } else if (feature.aggregate.size() <= 5 && feature.aggregate != "mean") {
    feature.type = type;  // min, max, first, last
  }
  feature.window = RandomWindow(random, unit);
  if (random.Chance(0.2)) {
    feature.default_value = RandomDefault(random, feature.type);
  } else if (feature.aggregate == "count" || feature.aggregate == "sum") {
    if (feature.type == Type::kInt64) {
      feature.default_value.emplace(int64_t{0});
    } else {
      feature.default_value.emplace(0.0);
    }
  }
  return feature;
}

// Of the longest window of the view; at least one unit.
Duration LongestReach(const FeatureView& view, Duration unit) {
  Duration longest = unit;
  for (const Feature& f : view.features) longest = std::max(longest, f.window.reach());
  return longest;
}

FeatureView RandomView(Random& random) {
  FeatureView view;
  view.name = "cards";
  view.version = "0123456789abcdef";
  view.key_fields = {0};
  const Duration unit =
      random.OneOf<Duration>({Duration::Millis(1), Duration::Seconds(1), Duration::Seconds(7),
                              Duration::Minutes(1), Duration::Hours(1), Duration::Days(1)});
  const int64_t count = random.Between(1, 6);
  for (int64_t i = 0; i < count; ++i) {
    view.features.push_back(RandomFeature(random, unit, static_cast<size_t>(i)));
    // Windows of one hop share a ring, aggregations of one field an
    // accumulator.
    if (i > 0 && random.Chance(0.3)) view.features.back().window.hop = view.features[0].window.hop;
    Window& window = view.features.back().window;
    if (!window.has_panes()) {
      window = {};
    } else if (window.hop.us == 0 || window.length < window.hop ||
               (window.kind == WindowKind::kTumbling && window.length.us % window.hop.us != 0)) {
      window.hop = window.length;
    }
    if (window.kind == WindowKind::kSliding && window.offset >= window.hop) window.offset = {};
  }
  const Duration reach = LongestReach(view, unit);
  const auto about = [&](double times) {
    return Duration{static_cast<int64_t>(static_cast<double>(reach.us) * random.Real(0, times))};
  };
  view.lateness = random.Chance(0.5) ? about(0.5) : Duration::Minutes(10);
  view.history = random.Chance(0.4) ? Duration{} : about(3);
  view.max_future_skew = random.Chance(0.6) ? Duration{} : about(0.5);
  if (random.Chance(0.6)) view.ttl = Duration{1} + about(3);
  for (const Feature& f : view.features) {
    view.default_ttl = std::max(view.default_ttl, f.window.reach() + f.window.hop);
  }
  return view;
}

Value RandomValue(Random& random, Type type, Numbers numbers) {
  static const std::vector<std::string_view> texts = {
      "",
      "a",
      "b",
      "ab",
      std::string_view("a\0b", 3),
      "\xc3\xa9t\xc3\xa9",
      "zzzzzzzzzzzzzzzzzzzz",
      "a text that is longer than what a small string keeps inside itself"};
  if (random.Chance(0.15)) return {};
  switch (type) {
    case Type::kBool:
      return Value::Bool(random.Chance(0.5));
    case Type::kInt64:
      if (numbers == Numbers::kHuge) {
        return Value::Int64(
            random.OneOf<int64_t>({INT64_MIN, INT64_MAX, INT64_MAX / 2, -1, 0, 1, INT64_MIN / 2}));
      }
      if (numbers == Numbers::kFarFromZero) {
        return Value::Int64(1'000'000'000'000 + random.Between(-3, 3));
      }
      return Value::Int64(random.Between(-100, 100));
    case Type::kDouble:
    case Type::kFloat: {
      double v = random.Real(-100, 100);
      if (random.Chance(0.2)) v = static_cast<double>(random.Between(-2, 2));
      if (numbers == Numbers::kFarFromZero) v = 1e9 + random.Real(-1, 1);
      if (numbers == Numbers::kMixedSizes) v *= random.OneOf<double>({1e-12, 1, 1e6, 1e15});
      if (numbers == Numbers::kHuge) v *= random.OneOf<double>({1e30, 1e-30, -1e30});
      return Value::Double(type == Type::kFloat ? static_cast<double>(static_cast<float>(v)) : v);
    }
    case Type::kTimestamp:
      return Value::Time({random.Between(-1'000'000'000, 1'000'000'000)});
    default:
      return Value::Text(random.OneOf(texts));
  }
}

// Where errors of one live: at a pane's edge, a microsecond before and behind
// it.
Timestamp NearAnEdge(Random& random, Timestamp t, const FeatureView& view) {
  const Window& window = random.OneOf(view.features).window;
  if (!window.has_panes()) return t;
  const Duration grid = random.Chance(0.7) ? window.hop : window.length;
  return FloorTo(t, grid, window.offset) + Duration{random.Between(-1, 1)};
}

// Lengths that mean something to the view.
Duration Meaningful(Random& random, const FeatureView& view) {
  const Feature& feature = random.OneOf(view.features);
  std::vector<Duration> lengths = {feature.window.length, feature.window.hop, view.history,
                                   view.lateness, view.max_future_skew};
  if (view.ttl) {
    lengths.push_back(*view.ttl);
    lengths.push_back(*view.ttl + view.grace());
  }
  return random.OneOf(lengths);
}

std::vector<Step> RandomSteps(Random& random, const FeatureView& view) {
  const Duration reach = LongestReach(view, Duration::Seconds(1));
  const Duration step{
      std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(reach.us) *
                                                random.OneOf<double>({0.001, 0.02, 0.1, 0.5})))};
  const auto numbers =
      random.OneOf<Numbers>({Numbers::kSmall, Numbers::kSmall, Numbers::kFarFromZero,
                             Numbers::kMixedSizes, Numbers::kHuge});
  const bool in_order = random.Chance(0.5);
  const int64_t events = random.Chance(0.2) ? random.Between(0, 4) : random.Between(5, 90);
  // Before the epoch too, where division rounds the other way.
  Timestamp front{random.Chance(0.2) ? random.Between(-1'000'000'000, 1'000'000'000)
                                     : 1'700'000'000'000'000 + random.Between(0, 1'000'000'000)};
  Timestamp newest = front;
  bool any = false;
  Timestamp last = front;
  std::array<int64_t, 3> offsets = {0, 0, 0};
  std::vector<Step> steps;
  for (int64_t i = 0; i < events; ++i) {
    front = front + Duration{random.Between(0, 2 * step.us)};
    if (random.Chance(0.02)) front = front + Duration{reach.us * random.Between(1, 4)};  // a gap
    if (random.Chance(0.03)) front = front + Meaningful(random, view);
    Timestamp t = front;
    if (!in_order && random.Chance(0.4)) {
      t = t - Duration{static_cast<int64_t>(random.Real(0, 1.3) *
                                            static_cast<double>(reach.us + view.history.us))};
    }
    if (!in_order && random.Chance(0.1))
      t = newest - Meaningful(random, view) + Duration{random.Between(-1, 1)};
    if (random.Chance(0.3)) t = NearAnEdge(random, t, view);
    if (random.Chance(0.05)) {  // neighbours as far apart as a gap, a microsecond less and more
      t = last + Meaningful(random, view) + Duration{random.Between(-1, 1)};
      front = std::max(front, t);
    }
    if (random.Chance(0.15)) t = last;  // equal times, also across partitions
    if (in_order) t = std::max(t, last);
    Step apply;
    apply.kind = Step::Kind::kApply;
    apply.time = last = t;
    const auto partition = static_cast<size_t>(random.Between(0, 2));
    apply.at = {random.Chance(0.1) ? 1u : 0u, static_cast<int32_t>(partition),
                offsets[partition]++};
    for (const Field& field : Fields()) {
      apply.fields.push_back(field.name == "card" ? Value::Text("a")
                                                  : RandomValue(random, field.type, numbers));
    }
    steps.push_back(std::move(apply));
    newest = any ? std::max(newest, t) : t;
    any = true;
    if (random.Chance(0.15)) steps.push_back({.kind = Step::Kind::kReopen});
    const bool read_now = random.Chance(0.3) || i + 1 == events;
    for (int64_t reads = read_now ? random.Between(1, 8) : 0; reads > 0; --reads) {
      Step read;
      read.kind = Step::Kind::kRead;
      // No event is later than now by more than max_future_skew: others were
      // refused.
      read.now = newest + Duration{random.Between(0, step.us)};
      if (random.Chance(0.3)) read.now = newest;
      if (random.Chance(0.3)) {
        read.now = newest + Meaningful(random, view) + Duration{random.Between(-1, 1)};
      }
      if (random.Chance(0.2)) read.now = NearAnEdge(random, read.now, view);
      if (random.Chance(0.2))
        read.now = newest - Duration{random.Between(0, view.max_future_skew.us)};
      read.now = std::max(read.now, newest - view.max_future_skew);
      if (random.Chance(0.7)) {
        Timestamp q = read.now - Duration{static_cast<int64_t>(
                                     random.Real(0, 1.1) * static_cast<double>(view.history.us))};
        if (random.Chance(0.1)) q = read.now + Duration{random.Between(0, 3 * step.us)};
        if (random.Chance(0.1)) q = newest + Duration{random.Between(-1, 1)};
        if (random.Chance(0.1)) q = last + Duration{random.Between(-1, 1)};
        if (random.Chance(0.3)) q = NearAnEdge(random, q, view);
        if (random.Chance(0.1)) q = read.now - view.history + Duration{random.Between(-1, 1)};
        // Without history no pane keeps its greatest event time, so that semantics.md does not say how old a row
        // was at a time that is past for it and not for `now`.
        if (view.history == Duration{} && q >= read.now && q < newest) q = newest;
        read.as_of = q;
      }
      steps.push_back(std::move(read));
    }
  }
  return steps;
}

}  // namespace

Case RandomCase(uint64_t seed) {
  Random random(seed);
  Case c;
  c.source.name = "payments";
  c.source.fields = Fields();
  c.entity.name = "card";
  c.entity.keys = {{"card", Type::kString}};
  c.view = RandomView(random);
  c.source.lateness = c.view.lateness;
  c.source.max_future_skew = c.view.max_future_skew;
  c.steps = RandomSteps(random, c.view);
  return c;
}

std::string Describe(const Case& c) {
  const FeatureView& view = c.view;
  std::string text =
      fmt::format("view: ttl {}, history {}, lateness {}, skew {}\n",
                  view.ttl ? FormatDuration(*view.ttl) : "never", FormatDuration(view.history),
                  FormatDuration(view.lateness), FormatDuration(view.max_future_skew));
  for (const Feature& f : view.features) {
    constexpr std::array<std::string_view, 4> kKinds = {"?", "sliding", "tumbling", "lifetime"};
    text += fmt::format("  {}: {}({}) {} {} hop {} offset {}{}{}\n", f.name, f.aggregate,
                        f.of ? c.source.fields[*f.of].name : "",
                        kKinds[static_cast<size_t>(f.window.kind)], FormatDuration(f.window.length),
                        FormatDuration(f.window.hop), FormatDuration(f.window.offset),
                        f.window.completed ? " completed" : "",
                        f.default_value ? " with a default" : "");
  }
  for (const Step& step : c.steps) {
    switch (step.kind) {
      case Step::Kind::kReopen:
        text += "  encode, decode\n";
        break;
      case Step::Kind::kApply: {
        text += fmt::format("  event {} ({}) at {}.{}.{}:", FormatTimestamp(step.time),
                            step.time.us, step.at.incarnation, step.at.partition, step.at.offset);
        for (size_t i = 1; i < step.fields.size(); ++i) {
          text += fmt::format(" {}={}", c.source.fields[i].name, ToDebugString(step.fields[i]));
        }
        text += "\n";
        break;
      }
      case Step::Kind::kRead:
        text += fmt::format(
            "  read now {} ({}) as_of {}\n", FormatTimestamp(step.now), step.now.us,
            step.as_of ? fmt::format("{} ({})", FormatTimestamp(*step.as_of), step.as_of->us)
                       : "none");
        break;
    }
  }
  return text;
}

}  // namespace freshet::property
