#include "featurestore/declare/window_entry.h"

#include <fmt/format.h>

#include "featurestore/declare/resolve.h"
#include "featurestore/window/window_kind.h"

namespace freshet {
namespace {

constexpr Duration kShortestHop = Duration::Millis(1);

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
    const YamlEntry* sliding = node_.FindEntry("sliding");
    const YamlEntry* tumbling = node_.FindEntry("tumbling");
    if (sliding != nullptr && tumbling != nullptr) {
      return Fail(tumbling->key_place,
                  "a window is sliding or tumbling, not both; write two windows");
    }
    const YamlEntry* length = sliding != nullptr ? sliding : tumbling;
    if (length == nullptr) {
      // A key that is unknown or not supported yet was said already.
      for (const YamlEntry& e : node_.entries) {
        if (e.value.bad) return false;
      }
      return Fail(node_.place, "a window needs its kind: { sliding: 1h } or { tumbling: 1d }");
    }
    const YamlEntry* report = node_.FindEntry("report");
    if (report != nullptr && tumbling == nullptr) {
      Fail(report->key_place, "report is for tumbling windows; remove it");
    }
    for (const YamlEntry& e : node_.entries) {
      if (e.value.bad) return false;
    }
    entry.window.kind = sliding != nullptr ? WindowKind::kSliding : WindowKind::kTumbling;
    entry.window.length = *ParseDuration(length->value.text);
    entry.window.completed = report != nullptr && report->value.text == "completed";
    SetHop(entry.window, Sound(node_, "hop"), length->value.place);
    entry.served = sliding != nullptr
                       ? fmt::format("{}_{}", feature_, length->value.text)
                       : fmt::format("{}_tumbling_{}{}", feature_, length->value.text,
                                     entry.window.completed ? "_completed" : "");
    return true;
  }

  void SetHop(Window& window, const YamlNode* hop, const Place& length_place) {
    window.hop = hop == nullptr ? DefaultHop(window, history_) : *ParseDuration(hop->text);
    const std::string length = FormatDuration(window.length);
    const Place& place = hop == nullptr ? length_place : hop->place;
    if (window.hop > window.length) {
      Fail(place, hop == nullptr
                      ? fmt::format("a window of {} is shorter than the default hop of {}; write "
                                    "{{ sliding: {}, hop: {} }}",
                                    length, FormatDuration(window.hop), length, length)
                      : fmt::format("hop {} is longer than its window, {}", hop->text, length));
    } else if (window.hop < kShortestHop) {
      Fail(place, fmt::format("hop {} is shorter than 1ms", FormatDuration(window.hop)));
    } else if (window.kind == WindowKind::kTumbling && window.length.us % window.hop.us != 0) {
      Fail(place, fmt::format("hop {} does not divide the window, {}; buckets would cut panes",
                              FormatDuration(window.hop), length));
    }
  }

  void ReadOffset(WindowEntry& entry) {
    const YamlEntry* offset = node_.FindEntry("offset");
    if (offset == nullptr) return;
    entry.window.offset = *ParseDuration(offset->value.text);
    const bool sliding = entry.window.kind == WindowKind::kSliding;
    const Duration below = sliding ? entry.window.hop : entry.window.length;
    if (entry.window.offset >= below) {
      Fail(offset->value.place,
           fmt::format("offset {} is not below the {} of {}", offset->value.text,
                       sliding ? "hop" : "window's length", FormatDuration(below)));
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
