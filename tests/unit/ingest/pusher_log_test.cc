// What becomes of a call where the log is away, refuses, loses or is made anew.
#include "push_server.h"

namespace freshet {

TEST_CASE("a log that is away refuses at once, and says that nothing was sent") {
  PushServer server;
  server.push_log.SetReady(Unavailable("no broker answers"));
  const PushResult away = server.Push(server.Request({P("a", 1)})).get();
  REQUIRE(away.error);
  CHECK(away.error->code == absl::StatusCode::kUnavailable);
  CHECK(away.error->retry_after);
  CHECK(Mentions(*away.error, "nothing was sent"));
  server.push_log.SetReady(NotFound("the topic payments does not exist"));
  CHECK(server.Push(server.Request({P("a", 1)})).get().error->reason == "TOPIC_MISSING");
}

TEST_CASE("what became durable of a call that failed is said, and its repetition counts once") {
  PushServer server;
  server.push_log.SetHeld(true);
  const PushRequest request = server.Request({P("a", 1), P("a", 2), P("a", 3)}, "p", 1);
  auto pushed = server.Push(request);
  REQUIRE(Eventually([&] { return server.push_log.waiting() == 1; }));
  server.push_log.LetGo(2, {Unavailable("broker gone")});
  const PushResult result = pushed.get();
  REQUIRE(result.error);
  CHECK(result.error->reason == "NOT_DURABLE");
  CHECK(result.durable == 2);
  CHECK(result.error->metadata[0] == std::pair<std::string, std::string>("durable", "2"));
  CHECK(result.error->violations[0].first == "events[2]");
  CHECK(Mentions(*result.error, "with its producer id every event counts once"));
  server.push_log.SetHeld(false);
  const PushResult again = server.PushApplied(request);
  CHECK(again.applied == 3);
  CHECK(again.repeated == 2);
}

TEST_CASE("an event that the log refuses is named with why, and with how to go on behind it") {
  PushServer server;
  server.push_log.SetHeld(true);
  auto pushed = server.Push(server.Request({P("a", 1), P("a", 2), P("a", 3)}, "p", 1));
  REQUIRE(Eventually([&] { return server.push_log.waiting() == 1; }));
  server.push_log.LetGo(1,
                        {InvalidArgument("no key"), MakeStatus(absl::StatusCode::kAborted, "x")});
  const PushResult result = pushed.get();
  REQUIRE(result.error);
  CHECK(result.error->code == absl::StatusCode::kInvalidArgument);
  CHECK(result.error->reason == "NOT_DURABLE");
  CHECK(result.durable == 1);
  CHECK(result.error->violations ==
        std::vector<std::pair<std::string, std::string>>{{"events[1]", "no key"}});
  CHECK(Mentions(*result.error, "1 of 3 are durable"));
  CHECK(Mentions(*result.error, "leave it out, and send what follows it with the sequences"));
  CHECK_FALSE(result.error->retry_after);
  server.push_log.SetHeld(false);
  CHECK(server.PushApplied(server.Request({P("a", 3)}, "p", 3)).repeated == 0);
}

TEST_CASE("what stands in the log where it does not tell is applied once the log's end is") {
  PushServer server;
  for (int i = 0; i < 3; ++i) {
    server.log->Append(0, P("b", i));
    server.log->Append(1, P("b", i));
  }
  server.push_log.SetHeld(true);
  auto pushed = server.Push(server.Request({P("a", 1)}, "p", 1));
  REQUIRE(Eventually([&] { return server.push_log.waiting() == 1; }));
  server.push_log.LetGoAt({OkStatus(), 0, 2, /*is_exact=*/false});
  CHECK(pushed.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  while (pushed.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) server.Apply();
  const PushResult result = pushed.get();
  CHECK_FALSE(result.error);
  CHECK(result.applied == 1);
  CHECK(result.ends.at(0) == 3);
}

TEST_CASE(
    "where one is refused for what it is and another for want of a broker, the call is repeated") {
  PushServer server;
  server.push_log.SetHeld(true);
  auto pushed = server.Push(server.Request({P("a", 1), P("a", 2), P("a", 3)}, "p", 1));
  REQUIRE(Eventually([&] { return server.push_log.waiting() == 1; }));
  server.push_log.LetGo(0, {Unavailable("no broker answers"), InvalidArgument("too large"),
                            MakeStatus(absl::StatusCode::kAborted, "behind it")});
  const PushResult result = pushed.get();
  REQUIRE(result.error);
  CHECK(result.error->code == absl::StatusCode::kUnavailable);
  CHECK(result.error->message.find("it will never be") == std::string::npos);
}

TEST_CASE(
    "a call whose time is over says how far it came, and stays in hand until the log has it") {
  PushServer server(PushLimits{.calls = 2});
  server.push_log.SetHeld(true);
  PushRequest request = server.Request({P("a", 1)}, "p", 1);
  request.deadline = steady_clock::now() + std::chrono::milliseconds(30);
  const PushResult late = server.Push(request).get();
  REQUIRE(late.error);
  CHECK(late.error->code == absl::StatusCode::kDeadlineExceeded);
  CHECK(late.error->reason == "NOT_DURABLE_IN_TIME");
  CHECK(late.durable == 0);
  CHECK(server.pusher->in_hand() == 1);
  auto second = server.Push(server.Request({P("a", 2)}, "p", 2));
  REQUIRE(Eventually([&] { return server.push_log.waiting() == 2; }));
  const PushResult third = server.Push(server.Request({P("a", 3)}, "p", 3)).get();
  REQUIRE(third.error);
  CHECK(third.error->reason == "OVERLOADED");
  CHECK(third.error->retry_after);
  server.push_log.LetGo(1);
  while (second.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) server.Apply();
  CHECK_FALSE(second.get().error);
  CHECK(Eventually([&] { return server.pusher->in_hand() == 0; }));
  // The one that was late came after all.
  server.push_log.SetHeld(false);
  request.deadline = steady_clock::now() + std::chrono::seconds(20);
  CHECK(server.PushApplied(request).repeated == 1);

  server.running.store->source_status("payments").SetPaused("disk_full", "make room");
  PushRequest stuck = server.Request({P("a", 9)});
  stuck.deadline = steady_clock::now() + std::chrono::milliseconds(30);
  const PushResult durable = server.Push(stuck).get();
  CHECK(durable.error->reason == "NOT_APPLIED_IN_TIME");
  CHECK(durable.durable == 1);
  CHECK(Mentions(*durable.error, "disk_full: make room"));
}

TEST_CASE(
    "what is pushed to a topic that was made anew is not said to be applied by the old one's "
    "place") {
  PushServer server;
  std::vector<std::string> events;
  for (int i = 0; i < 8; ++i) events.push_back(P("a", i));
  REQUIRE_FALSE(server.PushApplied(server.Request(std::move(events))).error);
  for (FakeLog::Partition& partition : server.log->partitions) partition = {};
  PushRequest request = server.Request({P("a", 9)});
  request.deadline = steady_clock::now() + std::chrono::milliseconds(50);
  const PushResult unseen = server.Push(request).get();
  REQUIRE(unseen.error);
  CHECK(unseen.error->reason == "NOT_APPLIED_IN_TIME");
  CHECK(unseen.durable == 1);
  CHECK(unseen.applied == 0);
  CHECK(Mentions(*unseen.error, "in another log than this server reads"));
  CHECK_FALSE(Mentions(*unseen.error, "will be applied"));

  SourceStatus& status = server.running.store->source_status("payments");
  status.SetPaused("topic_recreated", "reset the source");
  request.deadline = steady_clock::now() + std::chrono::milliseconds(50);
  const PushResult seen = server.Push(request).get();
  REQUIRE(seen.error);
  CHECK(Mentions(*seen.error, "stands still: topic_recreated: reset the source"));
  // What is written on before anybody looks: offsets of the new log behind the old one's end.
  for (int i = 0; i < 20; ++i) server.log->Append(0, P("b", i));
  for (int i = 0; i < 20; ++i) server.log->Append(1, P("b", i));
  request.deadline = steady_clock::now() + std::chrono::milliseconds(50);
  auto stopped = server.Push(request);
  for (int32_t partition : {0, 1}) status.SetPartition(partition, {0, 100, 100, 100});
  CHECK(stopped.get().error);
}

}  // namespace freshet
