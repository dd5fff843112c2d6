// A small project made by hand: payments by card, with views that a test may open, and a store in a folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/live_loop.h"
#include "featurestore/ingest/loop_context.h"
#include "featurestore/observe/ingest_metrics.h"
#include "tests/support/fake_log.h"

namespace freshet {

Source PaymentsSource();
// Counts and sums by card, over a lifetime and days.
FeatureView PaymentsView(const std::string& name = "card_spend",
                         const std::string& version = "0000000000000001");
std::string Payment(Timestamp at, const std::string& card, int64_t cents);

// One process's life on a data folder.
struct Running {
  Running(const std::filesystem::path& folder, std::vector<FeatureView> declared,
          std::shared_ptr<FakeLog> fake, bool event_time_clock = true, std::string log_id = "",
          Source source = PaymentsSource());

  // Begins and steps until nothing is left to read.
  void ReadAll(IngestLoop& loop);
  std::unique_ptr<LiveLoop> Live(PollLimits limits = {}, bool overlap = false);
  // All rows of a view, as bytes in key order.
  std::vector<std::pair<std::string, std::string>> Rows(ViewId view) const;
  std::vector<Store::StoredDeadLetter> DeadLetters() const;

  Source source;
  std::vector<FeatureView> declared_views;
  std::vector<std::shared_ptr<const RowLayout>> layouts;
  std::unique_ptr<Store> store;
  ManualClock clock{Timestamp{1'700'000'000'000'000}};
  Metrics registry;
  IngestMetrics metrics{registry};
  std::unique_ptr<Log> log = MakeNullLog();
  std::shared_ptr<FakeLog> fake;
  std::unique_ptr<LoopContext> context;
};

}  // namespace freshet
