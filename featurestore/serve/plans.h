// All plans of one catalog: those of its services, compiled at once, and the latest lists of features that were asked for.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "featurestore/serve/plan.h"
#include "featurestore/serve/serve_error.h"

namespace freshet {

// Thread-safe.
class Plans {
 public:
  // Lists of features kept; the oldest is forgotten first.
  static constexpr size_t kMaxLists = 256;

  // Names of one list. Each is searched for, and a list is compiled for each request where it is too long to be kept: what a message
  // of 4 MiB could hold would take seconds.
  static constexpr size_t kMaxNames = 1000;

  explicit Plans(std::shared_ptr<const Catalog> catalog);

  // NOT_FOUND / UNKNOWN_FEATURE_SERVICE, with the nearest name.
  Outcome Service(std::string_view name, std::shared_ptr<const Plan>& plan) const;
  // "view:feature" or "view", each feature once, in the order of first mention. NOT_FOUND / UNKNOWN_FEATURE,
  // INVALID_ARGUMENT / TOO_MANY_FEATURES.
  Outcome Features(std::span<const std::string* const> names, std::shared_ptr<const Plan>& plan);

  const std::shared_ptr<const Catalog>& catalog() const { return catalog_; }

 private:
  struct TransparentHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  template <typename V>
  using ByName = std::unordered_map<std::string, V, TransparentHash, std::equal_to<>>;

  Outcome CompileList(std::span<const std::string* const> names,
                      std::shared_ptr<const Plan>& plan) const;

  const std::shared_ptr<const Catalog> catalog_;
  ByName<std::shared_ptr<const Plan>> services_;
  std::mutex mutex_;
  ByName<std::shared_ptr<const Plan>> lists_;  // by the names, each with its length before it
  std::deque<std::string> list_order_;
};

}  // namespace freshet
