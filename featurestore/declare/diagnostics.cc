#include "featurestore/declare/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "featurestore/base/nearest.h"

namespace freshet {
namespace {

constexpr size_t kMaxCandidates = 1000;

std::vector<Diagnostic> Sorted(std::vector<Diagnostic> list) {
  const auto key = [](const Diagnostic& d) { return std::tie(d.file, d.line, d.column, d.text); };
  std::stable_sort(list.begin(), list.end(),
                   [&](const Diagnostic& a, const Diagnostic& b) { return key(a) < key(b); });
  list.erase(
      std::unique(list.begin(), list.end(),
                  [&](const Diagnostic& a, const Diagnostic& b) { return key(a) == key(b); }),
      list.end());
  return list;
}

Diagnostic Make(const Place& place, std::string text) {
  return {place.file == nullptr ? "" : *place.file, place.line, place.column, std::move(text)};
}

}  // namespace

std::string ToString(const Place& place) {
  if (place.file == nullptr) return {};
  if (place.line == 0) return *place.file;
  return fmt::format("{}:{}:{}", *place.file, place.line, place.column);
}

std::string ToString(const Diagnostic& diagnostic) {
  if (diagnostic.file.empty()) return diagnostic.text;
  if (diagnostic.line == 0) return fmt::format("{}: {}", diagnostic.file, diagnostic.text);
  return fmt::format("{}:{}:{}: {}", diagnostic.file, diagnostic.line, diagnostic.column,
                     diagnostic.text);
}

const std::string* Diagnostics::InternFile(std::string name) {
  return &files_.emplace_back(std::move(name));
}

void Diagnostics::Error(const Place& place, std::string text) {
  if (errors_.size() >= kMaxErrors) {
    ++dropped_;
    return;
  }
  errors_.push_back(Make(place, std::move(text)));
}

void Diagnostics::Warning(const Place& place, std::string text) {
  if (warnings_.size() < kMaxErrors) warnings_.push_back(Make(place, std::move(text)));
}

std::string Diagnostics::Suggest(std::string_view wrong, std::span<const std::string> valid) {
  if (suggestions_ >= kMaxSuggestions || errors_.size() >= kMaxErrors) return {};
  ++suggestions_;
  return Suggestion(wrong, valid.first(std::min(valid.size(), kMaxCandidates)));
}

std::vector<Diagnostic> Diagnostics::TakeErrors() {
  std::vector<Diagnostic> sorted = Sorted(std::move(errors_));
  if (dropped_ > 0) {
    Diagnostic last = sorted.back();
    last.text = fmt::format("{} more mistakes are not shown; mend these first", dropped_);
    sorted.push_back(std::move(last));
  }
  return sorted;
}

std::vector<Diagnostic> Diagnostics::TakeWarnings() { return Sorted(std::move(warnings_)); }

}  // namespace freshet
