#include "tests/unit/state/reference.h"

namespace freshet {

Applied ReferenceRow::Apply(const Event& event) {
  Kept kept{event.position(), {}, false};
  for (Value value : event.fields) {
    if (value.kind() == Value::Kind::kText) {
      value = Value::Text(texts_.emplace_back(value.as_text()));
    }
    kept.fields.push_back(value);
  }
  newest_ = std::max(newest_, event.time);
  kept.late_for_runs = event.time < newest_ - view_.lateness;
  events_.push_back(kept);
  for (const Feature& f : view_.features) {
    const Window& w = f.window;
    if (w.kind == WindowKind::kLifetime) {
      if (!view_.ttl || !kept.late_for_runs) return Applied::kChanged;
    } else if (w.kind == WindowKind::kSession) {
      if (!kept.late_for_runs) return Applied::kChanged;
    } else if (w.kind == WindowKind::kRows) {
      if (!view_.ttl || event.time >= newest_ - *view_.ttl) return Applied::kChanged;
    } else if (w.kind == WindowKind::kExact) {
      if (event.time.us >= Edge(1, 0, w.length.us)) return Applied::kChanged;
    } else if (Floor(event.time.us, w.hop.us, w.offset.us) >=
               Edge(w.hop.us, w.offset.us, w.reach().us)) {
      return Applied::kChanged;
    }
  }
  return Applied::kLate;
}

// "Row age and event times are then of the newest pane that ends at or before q; with none, NOT_FOUND."
std::optional<Timestamp> ReferenceRow::Time(const ReadTime& read) const {
  if (empty()) return std::nullopt;
  if (!read.as_of || *read.as_of >= newest_) return newest_;
  // "A row without panes and exact windows keeps no times before that of its newest event".
  const bool no_past = std::none_of(view_.features.begin(), view_.features.end(),
                                    [](const Feature& f) { return f.window.has_history(); });
  if (no_past && *read.as_of >= read.now) return newest_;
  std::optional<Timestamp> greatest = KnownTo(*read.as_of);
  for (const Feature& f : view_.features) {
    const Window& w = f.window;
    if (!w.has_panes()) continue;
    // The longest reach of any feature on the same grid.
    int64_t reach = 0;
    for (const Feature& other : view_.features) {
      if (other.window.has_panes() && other.window.hop == w.hop &&
          other.window.offset.us % w.hop.us == w.offset.us % w.hop.us) {
        reach = std::max(reach, other.window.reach().us);
      }
    }
    for (const Kept& e : events_) {
      const int64_t start = Floor(e.at.time.us, w.hop.us, w.offset.us);
      if (e.at.time.us < Edge(w.hop.us, w.offset.us, reach)) continue;
      if (start + w.hop.us > read.as_of->us) continue;
      greatest = std::max(greatest.value_or(Timestamp::Min()), e.at.time);
    }
  }
  return greatest;
}

std::vector<const ReferenceRow::Kept*> ReferenceRow::GreatestFirst() const {
  std::vector<const Kept*> all;
  for (const Kept& e : events_) all.push_back(&e);
  std::sort(all.begin(), all.end(), [](const Kept* a, const Kept* b) { return a->at > b->at; });
  return all;
}

std::optional<Timestamp> ReferenceRow::KnownTo(Timestamp q) const {
  int64_t reach = -1;
  for (const Feature& f : view_.features) {
    if (f.window.kind == WindowKind::kExact) reach = std::max(reach, f.window.length.us);
  }
  if (reach < 0) return std::nullopt;
  const auto all = GreatestFirst();
  for (size_t i = 0; i < all.size(); ++i) {
    const Timestamp t = all[i]->at.time;
    bool kept = false;
    for (const Feature& f : view_.features) {
      const Window& w = f.window;
      if (i >= w.events) continue;
      kept |= w.kind == WindowKind::kRows && (!view_.ttl || t >= newest_ - *view_.ttl);
      kept |= w.kind == WindowKind::kExact && t.us >= Edge(1, 0, w.length.us);
    }
    if (t <= q && (kept || t.us >= Edge(1, 0, reach))) return t;
    if (!kept) return std::nullopt;  // of what is dropped only the greatest is known
  }
  return std::nullopt;
}

bool ReferenceRow::Degraded(const ReadTime& read, const Feature& feature) const {
  const Window& w = feature.window;
  const auto all = GreatestFirst();
  return w.kind == WindowKind::kExact && all.size() > w.events &&
         all[w.events]->at.time > read.at() - w.length;
}

std::vector<std::vector<const ReferenceRow::Kept*>> ReferenceRow::Runs(Duration apart) const {
  std::vector<std::vector<const Kept*>> runs;
  auto all = GreatestFirst();
  std::reverse(all.begin(), all.end());
  for (const Kept* e : all) {
    if (e->late_for_runs) continue;
    if (runs.empty() || e->at.time - runs.back().back()->at.time >= apart) runs.emplace_back();
    runs.back().push_back(e);
  }
  return runs;
}

std::vector<const ReferenceRow::Kept*> ReferenceRow::Covered(const ReadTime& read,
                                                             const Feature& feature) const {
  std::vector<const Kept*> covered;
  const Window& w = feature.window;
  if (w.kind == WindowKind::kRows || w.kind == WindowKind::kExact) {
    const auto all = GreatestFirst();
    for (size_t i = 0; i < all.size() && i < w.events; ++i) {
      const Timestamp t = all[i]->at.time;
      if (w.kind == WindowKind::kRows ? !view_.ttl || t >= newest_ - *view_.ttl
                                      : t > read.at() - w.length && t <= read.at()) {
        covered.push_back(all[i]);
      }
    }
    return covered;
  }
  if (w.kind == WindowKind::kSession) {
    auto runs = Runs(w.length);
    const auto over = [&] { return read.at() - runs.back().back()->at.time >= w.length; };
    if (w.completed) {
      while (!runs.empty() && !over()) runs.pop_back();
      if (view_.ttl && !runs.empty() && runs.back().back()->at.time < newest_ - *view_.ttl) {
        return {};
      }
    } else if (over()) {
      return {};
    }
    return runs.empty() ? covered : runs.back();
  }
  if (!w.has_panes()) {
    for (const Kept& e : events_) {
      if (!view_.ttl || !e.late_for_runs) covered.push_back(&e);
    }
    if (!view_.ttl) return covered;
    std::sort(covered.begin(), covered.end(),
              [](const Kept* a, const Kept* b) { return a->at < b->at; });
    size_t first = covered.size() - 1;
    while (first > 0 && covered[first]->at.time - covered[first - 1]->at.time <= *view_.ttl)
      --first;
    covered.erase(covered.begin(), covered.begin() + static_cast<std::ptrdiff_t>(first));
    return covered;
  }
  const int64_t q = read.at().us;
  const int64_t pane = Floor(q, w.hop.us, w.offset.us);
  const bool leaves_out = read.as_of && *read.as_of < newest_;
  int64_t begin = Floor(q - w.length.us, w.hop.us, w.offset.us);
  int64_t end = leaves_out ? pane : pane + w.hop.us;
  if (w.kind == WindowKind::kHopping) {
    end = pane;
    begin = end - w.length.us;
  }
  if (w.calendar == CalendarUnit::kDay) {
    // Streams are of a winter, Berlin's: an hour before UTC.
    constexpr int64_t kDay = 86'400'000'000;
    begin = Floor(q, kDay, w.offset.us - kDay / 24);
    if (w.completed) {
      end = begin;
      begin -= kDay;
    }
  } else if (w.kind == WindowKind::kTumbling) {
    begin = Floor(q, w.length.us, w.offset.us);
    if (w.completed) {
      end = begin;
      begin -= w.length.us;
    }
  }
  for (const Kept& e : events_) {
    if (e.at.time.us >= begin && e.at.time.us < end) covered.push_back(&e);
  }
  return covered;
}

ReferenceRow::Answer ReferenceRow::Filled(const Feature& feature, CellStatus status) const {
  Answer answer{.status = status};
  if (feature.default_value) {
    answer.number = static_cast<double>(std::get<int64_t>(*feature.default_value));
  } else if (feature.aggregate == "count" || feature.aggregate == "sum") {
    answer.number = 0;
  }
  return answer;
}

ReferenceRow::Answer ReferenceRow::Finish(const ReadTime& read, const Feature& feature) const {
  const Duration history = feature.window.has_panes() || feature.window.kind == WindowKind::kExact
                               ? view_.history
                               : Duration{};
  if (read.as_of && *read.as_of < read.now - history) {
    return {CellStatus::kOutsideHistory, {}, {}, 0, false};
  }
  const auto time = Time(read);
  if (!time) return Filled(feature, CellStatus::kNotFound);
  if (view_.ttl) {
    const Duration age = read.at() - *time;
    if (age > *view_.ttl + view_.grace()) return Filled(feature, CellStatus::kNotFound);
    if (age > *view_.ttl) return Filled(feature, CellStatus::kOutsideMaxAge);
  }
  Answer answer = Aggregate(feature, Covered(read, feature));
  if (answer.status == CellStatus::kNullValue) {
    answer = Filled(feature, CellStatus::kPresent);
    if (!answer.number) answer.status = CellStatus::kNullValue;
  }
  answer.degraded = answer.status == CellStatus::kPresent && Degraded(read, feature);
  return answer;
}

namespace {

double Number(const Value& v) {
  switch (v.kind()) {
    case Value::Kind::kBool:
      return v.as_bool() ? 1 : 0;
    case Value::Kind::kTimestamp:
      return static_cast<double>(v.as_time().us);
    default:
      return v.number();
  }
}

}  // namespace

ReferenceRow::Answer ReferenceRow::Aggregate(const Feature& feature,
                                             const std::vector<const Kept*>& events) const {
  const std::string& name = feature.aggregate;
  std::vector<const Kept*> with;
  for (const Kept* e : events) {
    if (!feature.of || !e->fields[*feature.of].is_null()) with.push_back(e);
  }
  Answer answer{.status = CellStatus::kPresent};
  if (with.empty()) return {CellStatus::kNullValue, {}, {}, 0, false};
  const double n = static_cast<double>(with.size());
  if (name == "count") {
    answer.number = n;
    return answer;
  }
  const auto value = [&](const Kept* e) { return e->fields[*feature.of]; };
  const auto give = [&](const Value& v) {
    if (v.kind() == Value::Kind::kText) {
      answer.text = std::string(v.as_text());
    } else {
      answer.number = Number(v);
    }
    return answer;
  };
  if (name == "min" || name == "max") {
    Value best = value(with[0]);
    for (const Kept* e : with) {
      const int order = Value::Compare(value(e), best);
      if (name == "min" ? order < 0 : order > 0) best = value(e);
    }
    return give(best);
  }
  if (name == "first" || name == "last") {
    const Kept* best = with[0];
    for (const Kept* e : with) {
      if (name == "first" ? e->at < best->at : e->at > best->at) best = e;
    }
    return give(value(best));
  }
  long double sum = 0, squares = 0, absolute = 0;
  for (const Kept* e : with) {
    const long double x = Number(value(e));
    sum += x;
    squares += x * x;
    absolute += std::abs(x);
  }
  answer.scale = static_cast<double>(absolute);
  if (name == "sum") {
    answer.number = static_cast<double>(sum);
    return answer;
  }
  const long double mean = sum / n;
  if (name == "mean") {
    answer.number = static_cast<double>(mean);
    return answer;
  }
  const bool sample = name == "variance" || name == "stddev";
  if (sample && with.size() < 2) return {CellStatus::kNullValue, {}, {}, 0, false};
  long double distances = 0;
  for (const Kept* e : with) {
    const long double d = Number(value(e)) - mean;
    distances += d * d;
  }
  const long double variance = distances / (sample ? n - 1 : n);
  const bool root = name == "stddev" || name == "stddev_pop";
  answer.number = static_cast<double>(root ? std::sqrt(variance) : variance);
  answer.scale = static_cast<double>(root ? std::sqrt(squares / n) : squares / n);
  return answer;
}

}  // namespace freshet
