// A log that goes away, or fails in the middle of a read.
#include <catch2/catch.hpp>

#include "featurestore/ingest/live_loop.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

}  // namespace

TEST_CASE("the loop begins anew when the log was away") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->SetAway(Unavailable("no broker"));
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  CHECK_FALSE(loop->Begin().ok());
  log->SetAway(OkStatus());
  log->Append(0, Payment(kNoon, "a", 1));
  running.ReadAll(*loop);
  log->SetAway(Unavailable("no broker"));
  CHECK(loop->Step().kind == StepKind::kLogError);
  log->Append(0, Payment(kNoon, "a", 1));
  log->SetAway(OkStatus());
  running.ReadAll(*loop);
  CHECK(running.store->ReadProgress({0}).value().at(0).next == 2);
}

TEST_CASE("what a poll had taken when it failed is read again, also while a batch is written") {
  const bool overlap = GENERATE(false, true);
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(2);
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live(PollLimits{.records = 100}, overlap);
  running.ReadAll(*loop);
  for (int i = 0; i < 500; ++i) log->Append(i % 2, Payment(kNoon, "a", 1));
  REQUIRE(loop->Step().kind == StepKind::kRead);  // of the first batch, which may be written still
  log->SetNextReadLost(Unavailable("partition 1: not for you"));
  StepResult step;
  for (int i = 0; i < 3 && step.kind != StepKind::kLogError; ++i) step = loop->Step();
  CHECK(step.kind == StepKind::kLogError);
  running.ReadAll(*loop);
  CHECK(running.store->ReadProgress({0}).value().at(0).next == 250);
  CHECK(running.store->ReadProgress({0}).value().at(1).next == 250);
  const TempFolder other;
  Running once(other.path(), {PaymentsView()}, log);
  once.ReadAll(*once.Live());
  CHECK(running.Rows({0}) == once.Rows({0}));
}

}  // namespace freshet
