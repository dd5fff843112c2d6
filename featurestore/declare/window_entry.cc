#include "featurestore/declare/window_entry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "featurestore/declare/resolve.h"
#include "featurestore/declare/scalar_forms.h"
#include "featurestore/window/window_kind.h"

namespace freshet {
namespace {

constexpr Duration kShortestHop = Duration::Millis(1);
constexpr std::array<std::string_view, 5> kKinds = {"sliding", "tumbling", "hopping", "session",
                                                    "rows"};
constexpr std::array<std::pair<std::string_view, CalendarUnit>, 3> kUnits = {
    {{"day", CalendarUnit::kDay}, {"week", CalendarUnit::kWeek}, {"month", CalendarUnit::kMonth}}};

class WindowReader {
 public:
  WindowReader(std::string_view feature, const YamlNode& node, Duration history,
               Diagnostics& diagnostics)
      : feature_(feature), node_(node), history_(history), diagnostics_(diagnostics) {}

  std::optional<WindowEntry> Read() {
    if (node_.bad) return std::nullopt;
    WindowEntry entry;
    entry.place = node_.place;
    if (node_.kind == YamlNode::Kind::kScalar) {
      if (node_.text == "lifetime") {
        entry.window.kind = WindowKind::kLifetime;
      } else {
        entry.window = {.kind = WindowKind::kSliding, .length = *ParseDuration(node_.text)};
        SetHop(entry.window, nullptr, node_.place);
      }
      entry.served = fmt::format("{}_{}", feature_, node_.text);
      return Done(std::move(entry));
    }
    if (node_.kind != YamlNode::Kind::kMap || !ReadKind(entry)) return std::nullopt;
    RefuseStrays(entry.window);
    ReadOffset(entry);
    if (const YamlNode* as = Sound(node_, "as")) {
      entry.served = as->text;
      entry.place = as->place;
    }
    return Done(std::move(entry));
  }

 private:
  std::optional<WindowEntry> Done(WindowEntry entry) {
    if (failed_) return std::nullopt;
    return entry;
  }

  bool ReadKind(WindowEntry& entry) {
    const YamlEntry* kind = nullptr;
    for (const YamlEntry& e : node_.entries) {
      if (std::find(kKinds.begin(), kKinds.end(), e.key) == kKinds.end()) continue;
      if (kind != nullptr) {
        return Fail(e.key_place, fmt::format("a window is {} or {}, not both; write two windows",
                                             kind->key, e.key));
      }
      kind = &e;
    }
    // A key that is unknown, not supported yet or of a wrong value was said already.
    for (const YamlEntry& e : node_.entries) {
      if (e.value.bad) return false;
    }
    if (kind == nullptr) {
      return Fail(node_.place, fmt::format("a window needs its kind: {{ sliding: 1h }}, or one of "
                                           "{}",
                                           fmt::join(kKinds.begin() + 1, kKinds.end(), ", ")));
    }
    const YamlNode& value = kind->value;
    if (kind->key == "tumbling") {
      ReadTumbling(entry, value);
    } else if (kind->key == "hopping") {
      entry.window.kind = WindowKind::kHopping;
      entry.window.length = *ParseDuration(value.text);
      SetHop(entry.window, Sound(node_, "hop"), value.place);
      entry.served = fmt::format("{}_hopping_{}", feature_, value.text);
    } else if (kind->key == "session") {
      entry.window.kind = WindowKind::kSession;
      entry.window.length = *ParseDuration(value.text);
      ReadReport(entry.window, "ended");
      entry.served = fmt::format("{}_session_{}{}", feature_, value.text,
                                 entry.window.completed ? "_ended" : "");
    } else if (kind->key == "rows") {
      entry.window.kind = WindowKind::kRows;
      entry.window.events = static_cast<uint32_t>(*ReadInteger(value.text));
      entry.served = fmt::format("{}_rows_{}", feature_, entry.window.events);
    } else {
      ReadSliding(entry, value);
    }
    return true;
  }

  void ReadSliding(WindowEntry& entry, const YamlNode& length) {
    const YamlNode* exact = Sound(node_, "exact");
    entry.window.kind = WindowKind::kSliding;
    entry.window.length = *ParseDuration(length.text);
    if (exact == nullptr || exact->text != "true") {
      SetHop(entry.window, Sound(node_, "hop"), length.place);
      entry.served = fmt::format("{}_{}", feature_, length.text);
      return;
    }
    entry.window.kind = WindowKind::kExact;
    entry.served = fmt::format("{}_exact_{}", feature_, length.text);
    if (const YamlNode* max_events = Sound(node_, "max_events")) {
      entry.window.events = static_cast<uint32_t>(*ReadInteger(max_events->text));
    } else {
      Fail(
          exact->place,
          "an exact window keeps events and needs a bound: add max_events: 500, how many of a row");
    }
  }

  void ReadTumbling(WindowEntry& entry, const YamlNode& length) {
    Window& window = entry.window;
    window.kind = WindowKind::kTumbling;
    ReadReport(window, "completed");
    entry.served = fmt::format("{}_tumbling_{}{}", feature_, length.text,
                               window.completed ? "_completed" : "");
    for (const auto& [name, unit] : kUnits) {
      if (length.text == name) window.calendar = unit;
    }
    if (window.calendar == CalendarUnit::kNone) {
      window.length = *ParseDuration(length.text);
      SetHop(window, Sound(node_, "hop"), length.place);
      return;
    }
    window.length = LongestBucket(window.calendar);
    window.hop = kCalendarHop;
    window.time_zone = "UTC";
    if (const YamlNode* zone = Sound(node_, "timezone")) {
      window.time_zone = zone->text;
      if (!TimeZone::Find(zone->text)) {
        Fail(zone->place,
             fmt::format("unknown timezone {}; write a name of this machine's time zone database, "
                         "such as Europe/Berlin",
                         zone->Shown()));
      }
    }
  }

  // `word` is the report that this kind has besides running.
  void ReadReport(Window& window, std::string_view word) {
    const YamlNode* report = Sound(node_, "report");
    if (report == nullptr || report->text == "running") return;
    window.completed = report->text == word;
    if (!window.completed) {
      Fail(report->place, fmt::format("report: {} is not for this kind of window; write {} or "
                                      "running",
                                      report->text, word));
    }
  }

  // Keys that say nothing for the kind of window that this is.
  void RefuseStrays(const Window& window) {
    const bool calendar = window.calendar != CalendarUnit::kNone;
    const auto refuse = [&](std::string_view key, bool stray, std::string_view why) {
      const YamlEntry* found = node_.FindEntry(key);
      if (found != nullptr && stray) Fail(found->key_place, fmt::format("{}; remove it", why));
    };
    refuse("exact", !node_.FindEntry("sliding"), "exact is for sliding windows");
    refuse("max_events", window.kind != WindowKind::kExact,
           "max_events is for sliding windows with exact: true");
    refuse("report", window.kind != WindowKind::kTumbling && window.kind != WindowKind::kSession,
           "report is for tumbling and session windows");
    refuse("timezone", !calendar, "timezone is for { tumbling: day }, week and month");
    refuse("hop", !window.has_panes(), "this kind of window has no panes, so no hop");
    refuse("hop", calendar, "the panes of calendar buckets are 15m, whatever hop says");
    refuse("offset", !window.has_panes(),
           "this kind of window has no panes that offset could shift");
  }

  void SetHop(Window& window, const YamlNode* hop, const Place& length_place) {
    window.hop = hop == nullptr ? DefaultHop(window, history_) : *ParseDuration(hop->text);
    const std::string length = FormatDuration(window.length);
    const Place& place = hop == nullptr ? length_place : hop->place;
    const bool sliding = window.kind == WindowKind::kSliding;
    if (window.hop > window.length) {
      Fail(place, hop == nullptr
                      ? fmt::format("a window of {} is shorter than the default hop of {}; write "
                                    "{{ sliding: {}, hop: {} }}",
                                    length, FormatDuration(window.hop), length, length)
                      : fmt::format("hop {} is longer than its window, {}", hop->text, length));
    } else if (window.hop < kShortestHop) {
      Fail(place, fmt::format("hop {} is shorter than 1ms", FormatDuration(window.hop)));
    } else if (!sliding && window.length.us % window.hop.us != 0) {
      Fail(place, fmt::format("hop {} does not divide the window, {}; {} would cut panes",
                              FormatDuration(window.hop), length,
                              window.kind == WindowKind::kTumbling ? "buckets" : "its edges"));
    }
  }

  // What an offset shifts, and by how much at most it makes a difference.
  static std::pair<std::string_view, Duration> ShiftedBy(const Window& window) {
    switch (window.calendar) {
      case CalendarUnit::kNone:
        break;
      case CalendarUnit::kDay:
        return {"day", Duration::Days(1)};
      case CalendarUnit::kWeek:
        return {"week", Duration::Days(7)};
      case CalendarUnit::kMonth:
        return {"shortest month", Duration::Days(28)};
    }
    if (window.kind == WindowKind::kTumbling) return {"window's length", window.length};
    return {"hop", window.hop};
  }

  void ReadOffset(WindowEntry& entry) {
    const YamlEntry* offset = node_.FindEntry("offset");
    if (offset == nullptr || !entry.window.has_panes()) return;
    entry.window.offset = *ParseDuration(offset->value.text);
    const auto [what, below] = ShiftedBy(entry.window);
    if (entry.window.offset >= below) {
      Fail(offset->value.place, fmt::format("offset {} is not below the {} of {}",
                                            offset->value.text, what, FormatDuration(below)));
    }
    if (!Declares(node_, "as")) {
      Fail(offset->key_place,
           fmt::format("offset needs a name to be served under: add as: {}_NAME", feature_));
    }
  }

  bool Fail(const Place& place, std::string text) {
    diagnostics_.Error(place, std::move(text));
    failed_ = true;
    return false;
  }

  std::string_view feature_;
  const YamlNode& node_;
  Duration history_;
  Diagnostics& diagnostics_;
  bool failed_ = false;
};

}  // namespace

std::optional<WindowEntry> ReadWindow(std::string_view feature, const YamlNode& node,
                                      Duration history, Diagnostics& diagnostics) {
  return WindowReader(feature, node, history, diagnostics).Read();
}

}  // namespace freshet
