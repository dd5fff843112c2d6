// What a topic's own settings do to a source that reads it.
#include "featurestore/ingest/topic_check.h"

#include <catch2/catch.hpp>
#include <sstream>
#include <string>

#include "featurestore/ingest/catch_up_pass.h"
#include "featurestore/ingest/live_loop.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

FeatureView Daily(Duration length) {
  FeatureView view = PaymentsView();
  view.features = {view.features[3]};
  view.features[0].window.length = view.features[0].window.hop = length;
  view.ttl = length;
  return view;
}

FeatureView Latest() {
  FeatureView view = PaymentsView("newest");
  view.latest_values = true;
  view.features = {view.features[1]};
  view.features[0].window = {};
  view.ttl = Duration::Days(10);
  return view;
}

}  // namespace

TEST_CASE("a compacted topic stops a source that aggregates it, unless that was asked for") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  Source source = PaymentsSource();
  std::vector<FeatureView> views = {PaymentsView()};
  std::string stopped;
  SECTION("compact") {
    log->settings = TopicSettings{true, std::nullopt};
    stopped = "compacted_topic";
  }
  SECTION("compact, allowed") {
    log->settings = TopicSettings{true, std::nullopt};
    source.allow_compacted = true;
  }
  SECTION("delete") { log->settings = TopicSettings{false, Duration::Days(7)}; }
  SECTION("a broker that does not say") { log->settings = TopicSettings{}; }
  SECTION("a broker that refuses to say") {
    log->settings = MakeStatus(absl::StatusCode::kPermissionDenied, "no");
  }
  Running running(folder.path(), views, log, true, "", source);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  CHECK(loop->stop().reason == stopped);
  CHECK(running.Rows({0}).size() == (stopped.empty() ? 1 : 0));
}

TEST_CASE("latest values are what compaction keeps: their source reads on") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  Running running(folder.path(), {PaymentsView()}, log);
  FeatureView latest = Latest();
  const auto layout = *RowLayout::Compile(latest, running.source);
  running.context->views[0].layout = layout.get();
  CHECK(CheckCompaction(*running.context, {true, std::nullopt}).ok());
}

TEST_CASE("a pass that follows for another declaration stops where its live loop would") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  log->settings = TopicSettings{true, std::nullopt};
  Source source = PaymentsSource();
  source.allow_compacted = GENERATE(false, true);
  Running running(folder.path(), {Latest(), PaymentsView()}, log, true, "", source);
  const auto handover = std::make_shared<Handover>();
  handover->Publish({{0, 1}});
  LoopView view;
  view.id = running.context->views[1].id;
  view.layout = running.context->views[1].layout;
  CatchUpPass pass(*running.context, {.views = {view}, .handover = handover, .follows = true},
                   std::make_unique<FakeLogSource>(log));
  REQUIRE(pass.Begin().ok());
  const StepResult step = pass.Step();
  CHECK(step.kind == (source.allow_compacted ? StepKind::kRead : StepKind::kStopped));
  CHECK(pass.stop().reason == (source.allow_compacted ? "" : "compacted_topic"));
  CHECK(handover->near() == source.allow_compacted);
}

TEST_CASE("a broker that does not answer about a topic's settings is asked again") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->settings = Unavailable("nobody there");
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  CHECK(absl::IsUnavailable(loop->Begin().status));
  log->settings = TopicSettings{true, std::nullopt};
  CHECK(loop->Begin().ok());
  CHECK(loop->stop().reason == "compacted_topic");
}

TEST_CASE("a broker that is there and never tells a topic's settings is read all the same") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  log->settings = Unavailable("it took too long");
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  for (int asked = 1; asked < 3; ++asked) CHECK(absl::IsUnavailable(loop->Begin().status));
  running.ReadAll(*loop);
  CHECK(running.Rows({0}).size() == 1);
  // It is asked whenever reading begins.
  log->settings = TopicSettings{true, std::nullopt};
  CHECK(loop->Begin().ok());
  CHECK(loop->stop().reason == "compacted_topic");
}

TEST_CASE(
    "compaction that is switched on while the topic is read stops the source, before a gap or "
    "within half a minute") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  log->settings = TopicSettings{true, std::nullopt};
  SECTION("a gap") {
    log->Skip(0, 5);
    log->Append(0, Payment(kNoon, "a", 1));
    running.clock.Advance(Duration::Seconds(6));
  }
  SECTION("a refresh") { running.clock.Advance(Duration::Seconds(31)); }
  StepResult step = loop->Step();
  for (int i = 0; i < 3 && step.kind != StepKind::kStopped; ++i) step = loop->Step();
  CHECK(step.kind == StepKind::kStopped);
  CHECK(loop->stop().reason == "compacted_topic");
  // Nothing behind the gap counts.
  CHECK(running.store->ReadProgress({0})->at(0).next == 1);
}

TEST_CASE("gaps ask for a topic's settings once in five seconds, and none where nobody answers") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  const bool answers = GENERATE(true, false);
  if (!answers) log->settings = Unavailable("a mock");
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  for (int i = 0; i < 2 && !answers; ++i) CHECK_FALSE(loop->Begin().ok());
  REQUIRE(loop->Begin().ok());
  const int at_begin = std::exchange(log->settings_asked, 0);
  CHECK(at_begin == (answers ? 1 : 3));
  int64_t read = 0;
  const auto gap = [&] {
    log->Skip(0);
    log->Append(0, Payment(kNoon, "a", 1));
    read += 2;
    while (loop->Step().kind == StepKind::kRead) continue;
    CHECK(running.store->ReadProgress({0})->at(0).next == read);
  };
  gap();
  CHECK(log->settings_asked == 0);
  running.clock.Advance(Duration::Seconds(6));
  gap();
  gap();
  CHECK(log->settings_asked == (answers ? 1 : 0));
  // A question in vain is no reason to stop, nor to ask at every gap.
  log->settings = Unavailable("it took too long");
  running.clock.Advance(Duration::Seconds(6));
  gap();
  running.clock.Advance(Duration::Seconds(6));
  gap();
  CHECK(log->settings_asked == (answers ? 2 : 0));
  CHECK(loop->stop().ok());
}

TEST_CASE("a pass does not take for gaps what compaction has taken") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  log->Skip(0, 3);
  log->Append(0, Payment(kNoon, "a", 1));
  Running running(folder.path(), {PaymentsView()}, log);
  const auto handover = std::make_shared<Handover>();
  handover->Publish({{0, 5}});
  LoopView view;
  view.id = running.context->views[0].id;
  view.layout = running.context->views[0].layout;
  CatchUpPass pass(*running.context, {.views = {view}, .handover = handover},
                   std::make_unique<FakeLogSource>(log));
  REQUIRE(pass.Begin().ok());
  log->settings = TopicSettings{true, std::nullopt};
  CHECK(pass.Step().kind == StepKind::kStopped);
  CHECK(pass.stop().reason == "compacted_topic");
}

TEST_CASE("a topic that keeps records for less than a view looks back is told with both figures") {
  const TopicSettings week{false, Duration::Days(7)};
  CHECK_FALSE(RetentionWarning("t", week, Daily(Duration::Days(7))));
  const auto month = RetentionWarning("t", week, Daily(Duration::Days(30)));
  REQUIRE(month);
  for (const char* words :
       {"topic t keeps records for 7d (retention.ms=604800000)", "view card_spend looks back 30d",
        "retention.ms to 2592000000 or more"}) {
    CHECK_THAT(*month, Catch::Contains(words));
  }
  const auto lifetime = RetentionWarning("t", week, PaymentsView());
  REQUIRE(lifetime);
  CHECK_THAT(*lifetime, Catch::Contains("looks back for ever"));
  CHECK(RetentionWarning("t", week, Latest()));  // its ttl is 10d
  CHECK_FALSE(RetentionWarning("t", {false, std::nullopt}, PaymentsView()));
}

TEST_CASE("completed buckets look back two lengths") {
  FeatureView view = Daily(Duration::Days(1));
  CHECK(LooksBack(view) == Duration::Days(1));
  view.features[0].window.completed = true;
  CHECK(LooksBack(view) == Duration::Days(2));
  CHECK_FALSE(LooksBack(PaymentsView()));
}

}  // namespace freshet
