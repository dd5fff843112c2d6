// The plans that requests are answered by now. Another catalog takes their place whole: a request is answered by one of the two,
// never by parts of both, and keeps the one that it began with.
#pragma once

#include <memory>
#include <mutex>

#include "featurestore/serve/plans.h"

namespace freshet {

// Thread-safe.
class ServedPlans {
 public:
  explicit ServedPlans(std::shared_ptr<const Catalog> catalog) { Serve(std::move(catalog)); }

  std::shared_ptr<Plans> now() const {
    const std::lock_guard lock(mutex_);
    return plans_;
  }
  std::shared_ptr<const Catalog> catalog() const { return now()->catalog(); }
  void Serve(std::shared_ptr<const Catalog> catalog) {
    auto plans = std::make_shared<Plans>(std::move(catalog));  // compiled outside of the lock
    const std::lock_guard lock(mutex_);
    plans_.swap(plans);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Plans> plans_;
};

}  // namespace freshet
