// How one view's rows are laid out: its rings, chains and accumulators, worked out once from the
// declaration. Immutable after Compile; shared by ingestion and serving.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/base/time.h"
#include "featurestore/model/feature_view.h"

namespace freshet {

// What `validate` prints.
struct RowSize {
  uint64_t panes_max = 0;           // every ring full
  uint64_t bytes_per_pane_max = 0;  // of the widest ring; text counted as kAssumedTextBytes
  uint64_t runs_max = 0;            // sessions, and lifetime in a view with a ttl
  uint64_t events_max = 0;          // of rows and exact windows
  uint64_t ids_max = 0;             // of `dedup`
  uint64_t ids_bytes_max = 0;       // their list, part of bytes_max
  uint64_t bytes_max = 0;           // a row whose every pane is filled, and all else
  uint64_t bytes_one_event = 0;     // a row that saw one event
  static constexpr uint64_t kAssumedTextBytes = 16;
};

// One pane ring as stored, for `validate`, DescribeCatalog and tests.
struct RingInfo {
  uint32_t chain = 0;
  Duration hop;
  Duration offset;
  Duration longest_window;  // Wr: the reach of the longest window that it serves
  uint64_t panes_max = 0;
  std::vector<std::string> accumulators;  // "sum(amount)"
};

// One run list as stored: sessions of one gap, or lifetime in a view with a ttl.
struct RunListInfo {
  std::optional<Duration> gap;  // none: lifetime
  uint64_t runs_max = 0;
  std::vector<std::string> accumulators;
};

class RowLayout {
 public:
  // Fails only where the view asks for what declare should have refused (Internal).
  // `source` gives the fields' types; both are copied.
  static StatusOr<std::shared_ptr<const RowLayout>> Compile(const FeatureView& view,
                                                            const Source& source);
  RowLayout(const RowLayout&) = delete;
  RowLayout& operator=(const RowLayout&) = delete;
  ~RowLayout();

  const FeatureView& view() const;
  RowSize size() const;
  std::vector<RingInfo> rings() const;
  std::vector<RunListInfo> run_lists() const;
  // The fields of events that rows and exact windows keep; how many events: size().events_max.
  std::vector<std::string> log_fields() const;
  // Two bytes of the view's version that every stored row repeats.
  uint16_t version_tag() const;

  struct Impl;  // state/ only
  const Impl& impl() const { return *impl_; }

 private:
  explicit RowLayout(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace freshet
