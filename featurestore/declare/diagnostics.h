// Where things of a declaration stand, and everything that was found wrong with them.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/declare/project.h"

namespace freshet {

// Line and column begin at 1; 0 where there is no place in a file ("--set storage.memory").
struct Place {
  const std::string* file = nullptr;  // owned by Diagnostics
  int line = 0;
  int column = 0;
};
std::string ToString(const Place& place);  // features.yaml:14:9

// Collects mistakes as they are found, in any order. A hostile project cannot make it slow: past kMaxErrors
// nothing more is kept, and past kMaxSuggestions no nearest name is looked for.
class Diagnostics {
 public:
  static constexpr size_t kMaxErrors = 1000;
  static constexpr size_t kMaxSuggestions = 300;

  // The returned name lives as long as this.
  const std::string* InternFile(std::string name);
  // So does the returned text, which nodes refer to.
  std::string_view KeepText(std::string text) { return texts_.emplace_back(std::move(text)); }
  void Error(const Place& place, std::string text);
  void Warning(const Place& place, std::string text);
  // "; did you mean mean?", or a short list, or nothing.
  std::string Suggest(std::string_view wrong, std::span<const std::string> valid);
  bool ok() const { return errors_.empty(); }
  size_t error_count() const { return errors_.size() + dropped_; }

  // Sorted by file, line and column; each said once.
  std::vector<Diagnostic> TakeErrors();
  std::vector<Diagnostic> TakeWarnings();

 private:
  std::deque<std::string> files_;
  std::deque<std::string> texts_;
  std::vector<Diagnostic> errors_;
  std::vector<Diagnostic> warnings_;
  size_t dropped_ = 0;
  size_t suggestions_ = 0;
};

}  // namespace freshet
