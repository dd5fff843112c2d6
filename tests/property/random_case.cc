#include "tests/property/random_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "featurestore/oracle/calendar.h"

namespace freshet::property {
namespace {

// How numbers of one case are drawn: what breaks a naive sum differs.
enum class Numbers { kSmall, kFew, kFarFromZero, kMixedSizes, kHuge, kPowersOverflow, kDecimals };

constexpr Duration kMicro = Duration::Micros(1);

Value RandomNumber(Random& random, Type type, Numbers numbers) {
  if (type == Type::kInt64) {
    switch (numbers) {
      case Numbers::kHuge:
        return Value::Int64(
            random.OneOf<int64_t>({INT64_MIN, INT64_MAX, INT64_MAX / 2, -1, 0, 1, INT64_MIN / 2}));
      case Numbers::kFarFromZero:
        return Value::Int64(1'000'000'000'000 + random.Between(-3, 3));
      case Numbers::kFew:
        return Value::Int64(random.Between(-2, 2));
      default:
        return Value::Int64(random.Between(-100, 100));
    }
  }
  double v = random.Real(-100, 100);
  if (random.Chance(0.2)) v = static_cast<double>(random.Between(-2, 2));
  if (numbers == Numbers::kFew) v = static_cast<double>(random.Between(-2, 2));
  // Of up to six digits after the point, but for one in thirty.
  if (numbers == Numbers::kDecimals && random.Chance(0.97)) {
    const double unit = random.OneOf<double>({1, 1e2, 1e2, 1e3, 1e6});
    v = std::round(v * unit) / unit;
    if (random.Chance(0.01)) v += 2e9;
  }
  if (numbers == Numbers::kFarFromZero) v = 1e9 + random.Real(-1, 1);
  if (numbers == Numbers::kMixedSizes) v *= random.OneOf<double>({1e-12, 1, 1e6, 1e15});
  if (numbers == Numbers::kHuge) v *= random.OneOf<double>({1e30, 1e-30, -1e30});
  // Their squares are no doubles. Few of them, so that some windows hold one value or equal ones alone.
  if (numbers == Numbers::kPowersOverflow && type == Type::kDouble) {
    v = static_cast<double>(random.Between(-1, 2)) * 1e200;
  }
  return Value::Double(type == Type::kFloat ? static_cast<double>(static_cast<float>(v)) : v);
}

Value RandomValue(Random& random, const Field& field, Numbers numbers) {
  static const auto& texts = *new std::vector<std::string_view>{
      "",
      "a",
      "b",
      "ab",
      std::string_view("a\0b", 3),
      "\xc3\xa9t\xc3\xa9",
      "zzzzzzzzzzzzzzzzzzzz",
      "a text that is longer than what a small string keeps inside itself"};
  static const auto& longest = *new std::string(1024, 'l');
  static const auto& too_long = *new std::string(1025, 'l');  // for lists and maps
  if (IsText(field.type) && random.Chance(0.02)) {
    return Value::Text(random.Chance(0.5) ? longest : too_long);
  }
  if (random.Chance(0.08)) return {};
  if (field.name == "k") return Value::Int64(random.Between(0, 3));
  switch (field.type) {
    case Type::kBool:
      return Value::Bool(random.Chance(0.5));
    case Type::kInt64:
    case Type::kDouble:
    case Type::kFloat:
      return RandomNumber(random, field.type, numbers);
    case Type::kTimestamp:
      return Value::Time({random.Between(-1'000'000'000, 1'000'000'000)});
    default:
      return Value::Text(random.OneOf(texts));
  }
}

// Where errors of one live: at a pane's or bucket's edge near t, a microsecond before and behind it; for runs, rows and
// exact windows so far from the event `last` as their edges are.
Timestamp NearAnEdge(Random& random, Timestamp t, Timestamp last, const FeatureView& view) {
  const Window& window = random.OneOf(view.features).window;
  const Duration beside{random.Between(-1, 1)};
  if (window.calendar != CalendarUnit::kNone && random.Chance(0.7)) {
    return oracle::BucketOf(window.calendar, window.time_zone, t).start + window.offset + beside;
  }
  if (window.has_panes()) {
    const bool bucket = window.calendar == CalendarUnit::kNone && random.Chance(0.3);
    return FloorTo(t, bucket ? window.length : window.hop, window.offset) + beside;
  }
  if (window.length.us > 0) return last + window.length + beside;
  return last + view.ttl.value_or(Duration{}) + beside;
}

// Lengths that mean something to the view.
Duration Meaningful(Random& random, const FeatureView& view) {
  const Feature& feature = random.OneOf(view.features);
  std::vector<Duration> lengths = {feature.window.length, feature.window.length,
                                   feature.window.hop,    view.history,
                                   view.lateness,         view.max_future_skew};
  if (view.ttl) {
    lengths.push_back(*view.ttl);
    if (random.Chance(0.2)) lengths.push_back(*view.ttl + view.grace());
  }
  return random.OneOf(lengths);
}

// Around the times at which clocks of declaration.cc's zones change.
Timestamp NearAClockChange(Random& random, Duration scale) {
  static const auto& changes = *new std::vector<const char*>{
      "2023-03-26T01:00:00Z", "2023-10-29T01:00:00Z", "2017-10-15T03:00:00Z",
      "2018-02-18T02:00:00Z", "2023-04-27T22:00:00Z", "2023-10-26T21:00:00Z",
      "2023-03-12T07:00:00Z", "2022-03-26T22:00:00Z", "2023-09-23T14:00:00Z"};
  const Timestamp change = *ParseTimestamp(random.OneOf(changes));
  return change - Duration{random.Between(0, 3 * scale.us)};
}

class Life {
 public:
  Life(Random& random, const Declaration& declared, bool in_order)
      : random_(random),
        view_(declared.view),
        fields_(declared.source.fields),
        scale_(declared.scale),
        in_order_(in_order),
        dedup_(declared.source.dedup.has_value()) {}

  std::vector<Step> Live() {
    const int64_t events = random_.Chance(0.05) ? random_.Between(0, 4) : random_.Between(8, 90);
    for (int64_t i = 0; i < events; ++i) {
      AddEvent();
      if (deletes_ && random_.Chance(0.03)) AddDelete();
      if (random_.Chance(0.15)) steps_.push_back({.kind = Step::Kind::kReopen});
      if (random_.Chance(0.006) && (view_.keep() || deleted_)) AddCompaction();
      // Rather late in the life: early windows are empty.
      const double lived = static_cast<double>(i + 1) / static_cast<double>(events);
      const bool read = random_.Chance(0.7 * lived * lived) || i + 1 == events;
      for (int64_t reads = read ? random_.Between(1, 8) : 0; reads > 0; --reads) AddRead();
    }
    return std::move(steps_);
  }

 private:
  // A part of `length`, up to `times` of it.
  Duration Part(double times, Duration length) {
    return {static_cast<int64_t>(random_.Real(0, times) * static_cast<double>(length.us))};
  }

  void AddEvent() {
    front_ = front_ + Duration{random_.Between(0, 2 * step_.us)};
    if (random_.Chance(0.01))
      front_ = front_ + Duration{scale_.us * random_.Between(1, 6)};  // a gap
    if (random_.Chance(0.02)) front_ = front_ + Meaningful(random_, view_);
    Step apply;
    Timestamp t = front_;
    if (!in_order_ && random_.Chance(0.4)) t = t - Part(1.3, scale_ + view_.history);
    if (!in_order_ && random_.Chance(0.1)) {
      t = newest_ - Meaningful(random_, view_) + Duration{random_.Between(-1, 1)};
    }
    std::optional<Timestamp> edge;
    if (random_.Chance(0.15)) {
      t = last_;  // equal times, also across partitions
    } else if (random_.Chance(0.2)) {
      edge = t = NearAnEdge(random_, t, last_, view_);
      // Windows apart from events may lie far ahead: not every time, or all others are empty.
      if (t > front_ + scale_ + scale_) t = front_;
      front_ = std::max(front_, t);
    }
    if (in_order_) t = std::max(t, last_);
    t = std::max(t, not_before_);
    apply.at_an_edge = edge == t;
    apply.time = last_ = t;
    auto partition = static_cast<size_t>(random_.Between(0, 2));
    const auto place = static_cast<int64_t>(steps_.size());
    if (partition == idle_ && place >= idle_from_ && place < idle_from_ + 60) {
      partition = (partition + 1) % 3;
    }
    apply.at = {random_.Chance(0.1) ? 1u : 0u, static_cast<int32_t>(partition),
                offsets_[partition]++};
    // A producer that sends twice, also with another time.
    const bool again = dedup_ && !sent_.empty() && random_.Chance(0.25);
    if (again) {
      const Step& before = steps_[random_.OneOf(sent_)];
      apply.fields = before.fields;
      if (random_.Chance(0.7) && before.time >= (in_order_ ? last_ : not_before_)) {
        t = apply.time = last_ = before.time;
        apply.at_an_edge = before.at_an_edge;
      }
    }
    for (const Field& field : fields_) {
      if (again || !field.expression.empty()) break;  // computed ones stand behind the others
      apply.fields.push_back(field.name == "card" ? Value::Text("a")
                                                  : RandomValue(random_, field, numbers_));
    }
    if (!again) sent_.push_back(steps_.size());
    steps_.push_back(std::move(apply));
    newest_ = any_ ? std::max(newest_, t) : t;
    any_ = true;
  }

  // Its time is the record's: near the events', before or after.
  void AddDelete() {
    Step step;
    step.kind = Step::Kind::kDelete;
    step.time = random_.OneOf<Timestamp>({newest_, front_, last_, newest_ - Part(1, scale_)});
    if (random_.Chance(0.3)) step.time = NearAnEdge(random_, step.time, last_, view_);
    step.time = std::min(step.time, newest_ + scale_);
    deleted_ = std::max(deleted_.value_or(step.time), step.time);
    steps_.push_back(std::move(step));
  }

  // Other entities' events lead on while this one has none, to where its row may just not or just be removed, or far beyond. What
  // comes afterwards may be of any time, also of one that the removed row would have taken; but see RemovalMayShow.
  void AddCompaction() {
    Step compact;
    compact.kind = Step::Kind::kCompact;
    const Duration keep = view_.keep().value_or(view_.keep_deleted());
    compact.now = newest_ + keep + Duration{random_.Between(-1, 2)};
    if (random_.Chance(0.3)) compact.now = newest_ + Part(2, keep);
    if (deleted_ && random_.Chance(0.5)) {
      compact.now = *deleted_ + view_.keep_deleted() + Duration{random_.Between(-1, 2)};
    }
    steps_.push_back(compact);
    greatest_ = std::max(greatest_, compact.now);
    if (RemovalMayShow(view_)) not_before_ = std::max(not_before_, compact.now - view_.lateness);
    if (random_.Chance(0.7)) front_ = std::max(front_, compact.now);
    front_ = std::max(front_, not_before_);
  }

  void AddRead() {
    Step read;
    read.kind = Step::Kind::kRead;
    read.now = newest_ + Duration{random_.Between(0, step_.us)};
    if (random_.Chance(0.3)) read.now = newest_;
    if (random_.Chance(0.13)) {
      read.now = newest_ + Meaningful(random_, view_) + Duration{random_.Between(-1, 1)};
    }
    if (random_.Chance(0.04)) read.now = last_ + Meaningful(random_, view_);
    if (random_.Chance(0.2)) read.now = NearAnEdge(random_, read.now, last_, view_);
    if (random_.Chance(0.2)) read.now = newest_ - Part(1, view_.max_future_skew);
    // No event is later than now by more than max_future_skew: others were refused.
    read.now = std::max(read.now, std::max(newest_, greatest_) - view_.max_future_skew);
    if (deleted_) read.now = std::max(read.now, *deleted_ - view_.max_future_skew);
    if (random_.Chance(0.5)) {
      Timestamp q = read.now - Part(1.1, view_.history);
      if (random_.Chance(0.1)) q = read.now + Duration{random_.Between(0, 3 * step_.us)};
      if (random_.Chance(0.1)) q = newest_ + Duration{random_.Between(-1, 1)};
      if (random_.Chance(0.1)) q = last_ + Duration{random_.Between(-1, 1)};
      if (random_.Chance(0.3)) q = NearAnEdge(random_, q, last_, view_);
      if (deleted_ && random_.Chance(0.3)) q = *deleted_ + Duration{random_.Between(-1, 1)};
      if (random_.Chance(0.1)) q = read.now - view_.history + Duration{random_.Between(-1, 1)};
      if (random_.Chance(0.05)) q = read.now - kMicro;
      // Without history no pane keeps its greatest event time, so that semantics.md does not say how old a row
      // was at a time that is past for it and not for `now`.
      if (LacksTimesOfPanes(view_) && q >= read.now && q < newest_) q = newest_;
      read.as_of = q;
    }
    steps_.push_back(std::move(read));
  }

  Random& random_;
  const FeatureView& view_;
  const std::vector<Field>& fields_;
  const Duration scale_;
  const bool in_order_;
  const bool dedup_;
  const Duration step_{
      std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(scale_.us) *
                                                random_.OneOf<double>({0.01, 0.04, 0.08, 0.2})))};
  const Numbers numbers_ = random_.OneOf<Numbers>(
      {Numbers::kSmall, Numbers::kSmall, Numbers::kFew, Numbers::kFarFromZero, Numbers::kMixedSizes,
       Numbers::kHuge, Numbers::kPowersOverflow, Numbers::kDecimals, Numbers::kDecimals});
  // Before the epoch too, where division rounds the other way.
  Timestamp front_ = random_.Chance(0.2) ? Timestamp{random_.Between(-1'000'000'000, 1'000'000'000)}
                     : random_.Chance(0.6)
                         ? NearAClockChange(random_, scale_)
                         : Timestamp{1'700'000'000'000'000 + random_.Between(0, 1'000'000'000)};
  Timestamp newest_ = front_;
  Timestamp last_ = front_;
  Timestamp greatest_ = kMinEventTime;    // of all entities, as far as compaction has shown it
  Timestamp not_before_ = kMinEventTime;  // no event is, from here on
  // A partition that is idle for a while; 3: none is.
  const size_t idle_ = random_.Chance(0.4) ? static_cast<size_t>(random_.Between(0, 2)) : 3;
  const int64_t idle_from_ = random_.Between(0, 60);
  bool any_ = false;
  const bool deletes_ = random_.Chance(0.2);
  std::optional<Timestamp> deleted_;
  std::vector<size_t> sent_;  // steps that apply an event of its own
  std::array<int64_t, 3> offsets_ = {0, 0, 0};
  std::vector<Step> steps_;
};

}  // namespace

bool LacksTimesOfPanes(const FeatureView& view) {
  return view.history == Duration{} &&
         std::any_of(view.features.begin(), view.features.end(),
                     [](const Feature& feature) { return feature.window.has_history(); });
}

bool RemovalMayShow(const FeatureView& view) {
  if (view.dedup_within > Duration{}) return true;
  return std::any_of(view.features.begin(), view.features.end(), [&](const Feature& feature) {
    return feature.window.kind == WindowKind::kSession ||
           (feature.window.kind == WindowKind::kLifetime && view.ttl.has_value());
  });
}

Case RandomCase(uint64_t seed) {
  // A declaration with a seed of its own, kept for its other cases.
  static std::optional<std::pair<uint64_t, Declaration>> last;
  const uint64_t declaration = seed / kCasesOfADeclaration;
  if (!last || last->first != declaration)
    last.emplace(declaration, RandomDeclaration(declaration));
  Random random(seed);
  Case c;
  c.declared = last->second;
  if (seed % kCasesOfADeclaration != 0) c.declared.refused = 0;  // told once
  c.in_order = random.Chance(0.42);  // of the others some turn out to be
  c.steps = Life(random, c.declared, c.in_order).Live();
  return c;
}

std::string Describe(const Case& c) {
  const FeatureView& view = c.view();
  std::string text =
      fmt::format("view: ttl {}, history {}, lateness {}, skew {}\n",
                  view.ttl ? FormatDuration(*view.ttl) : "never", FormatDuration(view.history),
                  FormatDuration(view.lateness), FormatDuration(view.max_future_skew));
  text += "as declared:\n" + c.declared.text + "of which:\n";
  for (const Feature& f : view.features) {
    text += fmt::format("  {}{}\n", c.declared.written.at(f.declared),
                        f.default_value ? " with a default" : "");
  }
  for (const Step& step : c.steps) {
    switch (step.kind) {
      case Step::Kind::kReopen:
        text += "  encode, decode\n";
        break;
      case Step::Kind::kDelete:
        text += fmt::format("  delete {} ({})\n", FormatTimestamp(step.time), step.time.us);
        break;
      case Step::Kind::kCompact:
        text += fmt::format("  compaction once events have reached {} ({})\n",
                            FormatTimestamp(step.now), step.now.us);
        break;
      case Step::Kind::kApply: {
        text += fmt::format("  event {} ({}) at {}.{}.{}:", FormatTimestamp(step.time),
                            step.time.us, step.at.incarnation, step.at.partition, step.at.offset);
        for (size_t i = 1; i < step.fields.size(); ++i) {
          text += fmt::format(" {}={}", c.declared.source.fields[i].name,
                              ToDebugString(step.fields[i]));
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
