// From a call to its acknowledgement, with a log that a test holds in its hand.
#include "featurestore/ingest/split_events.h"
#include "push_server.h"

namespace freshet {

TEST_CASE("a push is answered once this server has applied it, or once it is durable, as asked") {
  PushServer server;
  auto applied = server.Push(server.Request({P("a", 1), P("b", 2)}));
  PushRequest durable = server.Request({P("c", 3)});
  durable.wait_applied = false;
  const PushResult first = server.Push(durable).get();
  CHECK_FALSE(first.error);
  CHECK(first.durable == 1);
  CHECK(first.applied == 0);
  CHECK(applied.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  while (applied.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
    server.Apply();
  }
  const PushResult result = applied.get();
  CHECK_FALSE(result.error);
  CHECK(result.durable == 2);
  CHECK(result.applied == 2);
  CHECK(result.repeated == 0);
  CHECK(server.running.Rows({0}).size() == 3);
  // The record's key is the field that `key:` names, so that an entity lives in one partition.
  for (const FakeLog::Partition& partition : server.log->partitions) {
    for (const FakeRecord& record : partition.records) {
      CHECK(record.value->find("\"card\":\"" + *record.key + "\"") != std::string::npos);
    }
  }
}

TEST_CASE("what is applied for a declaration that is not served yet is answered once it is") {
  PushServer server;
  server.pusher->Hold({"payments"});
  auto result = server.Push(server.Request({P("a", 1)}));
  CHECK(Eventually([&] {
    server.Apply();
    return server.running.Rows({0}).size() == 1;
  }));
  CHECK(result.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  PushRequest durable = server.Request({P("b", 2)});
  durable.wait_applied = false;
  CHECK(server.Push(durable).get().durable == 1);
  server.pusher->Serve(std::make_shared<Catalog>(server.catalog));
  CHECK(result.get().applied == 1);
}

TEST_CASE("the same call made again counts once and says so") {
  PushServer server;
  const PushRequest request = server.Request({P("a", 1), P("b", 2), P("a", 3)}, "till-7", 41);
  CHECK(server.PushApplied(request).repeated == 0);
  const auto rows = server.running.Rows({0});
  const PushResult again = server.PushApplied(request);
  CHECK_FALSE(again.error);
  CHECK(again.applied == 3);
  CHECK(again.repeated == 3);
  CHECK(server.running.Rows({0}) == rows);
  CHECK(server.Records() == 6);
  // Part of it is known, as where the first call was cut short.
  const PushResult more =
      server.PushApplied(server.Request({P("a", 3), P("a", 4), P("b", 5)}, "till-7", 43));
  CHECK(more.repeated == 1);
  // Without a producer nobody can know.
  server.PushApplied(server.Request({P("a", 3)}));
  server.PushApplied(server.Request({P("a", 3)}));
  CHECK(server.Records() == 11);
}

TEST_CASE("events that would be dead letters are told by index, and nothing is sent") {
  PushServer server;
  const PushResult result = server
                                .Push(server.Request({P("a", 1), "{", R"({"at":7,"card":"x"})",
                                                      R"({"at":"2023-11-14T12:00:00Z"})"}))
                                .get();
  REQUIRE(result.error);
  CHECK(result.error->code == absl::StatusCode::kInvalidArgument);
  CHECK(result.error->reason == "BAD_EVENT");
  REQUIRE(result.error->violations.size() == 3);
  CHECK(result.error->violations[0].first == "events[1]");
  CHECK(result.error->violations[0].second.starts_with("malformed: "));
  CHECK(result.error->violations[1].second.starts_with("mistyped: "));
  CHECK(result.error->violations[2].first == "events[3]");
  CHECK(result.error->violations[2].second.starts_with("no_key: "));
  CHECK(Mentions(*result.error, "3 of 4 events would be refused, so nothing was sent"));
  CHECK(server.Records() == 0);

  PushRequest skipping = server.Request({"{", P("a", 1)}, "p", 1);
  skipping.skip_bad = true;
  const PushResult skipped = server.PushApplied(skipping);
  CHECK_FALSE(skipped.error);
  CHECK(skipped.applied == 1);
  REQUIRE(skipped.bad.size() == 1);
  CHECK(skipped.bad[0].index == 0);
  CHECK(skipped.bad[0].reason == "malformed");
  // Each event has the sequence of its place.
  CHECK(server.running.store->ReadProducers({0})->begin()->second.at("p").sequence == 2);
}

TEST_CASE("with clock: wall an event of the future is told at once") {
  PushServer server({}, {PaymentsView()}, PaymentsSource(), /*event_time=*/false);
  const Timestamp now = server.running.clock.Now();
  const PushResult result =
      server.Push(server.Request({Payment(now + Duration::Minutes(6), "a", 1)})).get();
  REQUIRE(result.error);
  CHECK(result.error->violations[0].second.starts_with("future: "));
  CHECK_FALSE(
      server.PushApplied(server.Request({Payment(now + Duration::Minutes(4), "a", 1)})).error);
}

TEST_CASE("a call that cannot be right says what is wrong with it") {
  PushServer server(PushLimits{.calls = 4, .bytes = 1 << 20, .events = 3});
  const auto refused = [&](PushRequest request) {
    const PushResult result = server.Push(std::move(request)).get();
    REQUIRE(result.error);
    return *result.error;
  };
  PushRequest unknown = server.Request({P("a", 1)});
  unknown.source = "payment";
  CHECK(refused(unknown).reason == "UNKNOWN_SOURCE");
  CHECK(Mentions(refused(unknown), "payments"));
  CHECK(refused(server.Request({})).reason == "NO_EVENTS");
  CHECK(refused(server.Request({P("a", 1), P("a", 1), P("a", 1), P("a", 1)})).reason ==
        "TOO_MANY_EVENTS");
  CHECK(refused(server.Request({P("a", 1)}, "p", 0)).reason == "BAD_PRODUCER");
  CHECK(refused(server.Request({P("a", 1)}, "", 1)).reason == "BAD_PRODUCER");
  CHECK(refused(server.Request({P("a", 1)}, std::string(257, 'p'), 1)).reason == "BAD_PRODUCER");
  CHECK(refused(server.Request({P("a", 1)}, "freshet-dlq/x", 1)).reason == "BAD_PRODUCER");
  PushRequest keyed = server.Request({P("a", 1)});
  keyed.record_keys = {"a"};
  CHECK(refused(keyed).reason == "BAD_RECORD_KEYS");
  PushRequest header = server.Request({P("a", 1)});
  header.headers = {{"freshet-sequence", "7"}};
  CHECK(refused(header).reason == "BAD_HEADER");
  const PushError large = refused(server.Request({P(std::string(1200, 'x'), 1)}));
  CHECK(large.violations[0].second.starts_with("too_large: "));
  CHECK(server.Records() == 0);
}

TEST_CASE("a call that is larger than all that a server takes is refused, whatever is in hand") {
  PushServer server(PushLimits{.calls = 4, .bytes = 100'000, .events = 100});
  PushRequest request = server.Request(std::vector<std::string>(100, P("a", 1)));
  request.wait_applied = false;
  CHECK_FALSE(server.Push(request).get().error);
  REQUIRE(Eventually([&] { return server.pusher->in_hand() == 0; }));
  // Headers count once a record, as each carries them.
  request.headers = {{"trace", std::string(1000, 'h')}};
  const PushResult large = server.Push(request).get();
  REQUIRE(large.error);
  CHECK(large.error->code == absl::StatusCode::kResourceExhausted);
  CHECK(large.error->reason == "TOO_LARGE");
  CHECK(Mentions(*large.error, "a server takes 100000"));
  CHECK(Mentions(*large.error, "send it in several calls"));
  request.events.resize(1);
  request.headers = {{"trace", std::string(kMaxPushHeaderBytes, 'h')}};
  const PushResult headers = server.Push(request).get();
  REQUIRE(headers.error);
  CHECK(headers.error->code == absl::StatusCode::kInvalidArgument);
  CHECK(headers.error->reason == "BAD_HEADER");
  CHECK(Mentions(*headers.error, "16389 bytes"));
  // Many small ones are told to be many, and not to be large.
  const PushResult many = server.Push(server.Request(std::vector<std::string>(200'000, "1"))).get();
  REQUIRE(many.error);
  CHECK(many.error->reason == "TOO_MANY_EVENTS");
  CHECK(server.Records() == 100);
}

TEST_CASE("deletes are tombstones of the source's key, at their place in the log") {
  PushServer server;
  server.PushApplied(server.Request({P("a", 1), P("b", 2)}));
  PushRequest request = server.Request({}, "p", 1);
  request.deletes = true;
  request.delete_keys = {"a", "nobody"};
  const PushResult result = server.PushApplied(request);
  CHECK_FALSE(result.error);
  CHECK(result.applied == 2);
  const auto rows = server.running.Rows({0});
  REQUIRE(rows.size() == 3);
  CHECK(PeekTimes(rows[0].second)->deleted);
  CHECK_FALSE(PeekTimes(rows[1].second)->deleted);
  CHECK(server.PushApplied(request).repeated == 2);

  FeatureView by_amount = PaymentsView();
  by_amount.key_fields = {2};
  PushServer other({}, {by_amount});
  request.producer.clear();
  request.first_sequence = 0;
  const PushResult cannot = other.Push(request).get();
  REQUIRE(cannot.error);
  CHECK(cannot.error->reason == "CANNOT_DELETE");
}

TEST_CASE(
    "a source that no view reads takes what is durable, and nobody waits for it to be applied") {
  PushServer server;
  server.pusher->Stop();
  server.catalog.views.clear();
  Pusher pusher(std::make_shared<Catalog>(server.catalog), *server.running.store,
                server.running.clock, server.push_log);
  PushRequest request = server.Request({P("a", 1)});
  CHECK(pusher.PushAndWait(request).error->reason == "SOURCE_NOT_READ");
  request.wait_applied = false;
  server.push_log.SetHeld(false);
  CHECK_FALSE(pusher.PushAndWait(request).error);
}

TEST_CASE("a log that keeps little takes no more than is applied") {
  PushServer server;
  server.push_log.SetUnapplied(700);
  PushRequest request = server.Request({P("a", 1)});
  request.wait_applied = false;
  int taken = 0;
  std::optional<PushError> refused;
  while (!refused && taken < 10) {
    refused = server.Push(request).get().error;
    taken += refused ? 0 : 1;
  }
  REQUIRE(refused);
  CHECK(refused->reason == "OVERLOADED");
  CHECK(taken == 2);
  server.Apply();
  CHECK(Eventually([&] { return server.pusher->in_hand() == 0; }));
  CHECK_FALSE(server.Push(request).get().error);
}

TEST_CASE("a server that stops answers whoever waits, and takes no more") {
  PushServer server;
  auto applied = server.Push(server.Request({P("a", 1)}));
  REQUIRE(Eventually([&] { return server.Records() == 1; }));
  server.push_log.SetHeld(true);
  auto durable = server.Push(server.Request({P("a", 2)}));
  REQUIRE(Eventually([&] { return server.push_log.waiting() == 1; }));
  server.pusher->BeginDrain();
  CHECK(server.Push(server.Request({P("a", 3)})).get().error->reason == "DRAINING");
  server.pusher->AwaitIdle(steady_clock::now() + std::chrono::milliseconds(10));
  server.pusher->Stop();
  const PushResult first = applied.get(), second = durable.get();
  REQUIRE(first.error);
  CHECK(first.error->code == absl::StatusCode::kUnavailable);
  CHECK(first.durable == 1);
  REQUIRE(second.error);
  CHECK(second.durable == 0);
}

TEST_CASE("keys and headers travel along for a source that reads them") {
  Source source = PaymentsSource();
  source.fields[1].path = {"$key", "id"};
  Field tenant;
  tenant.name = "tenant";
  tenant.type = Type::kString;
  tenant.path = {"$headers", "tenant"};
  source.fields.push_back(tenant);
  PushServer server({}, {PaymentsView()}, source);
  const std::string event = fmt::format(R"({{"at":"{}","cents":5}})", FormatTimestamp(kNoon));
  PushRequest request = server.Request({event, event});
  CHECK(server.Push(request).get().error->violations[0].second.starts_with("no_key: "));
  request.record_keys = {R"({"id":"a"})", R"({"id":"b"})"};
  request.headers = {{"tenant", "acme"}};
  CHECK(server.PushApplied(request).applied == 2);
  CHECK(server.running.Rows({0}).size() == 2);
  PushRequest remove = server.Request({});
  remove.deletes = true;
  remove.delete_keys = {"a\"quoted", "a"};
  CHECK(server.PushApplied(remove).applied == 2);
  CHECK(PeekTimes(server.running.Rows({0})[0].second)->deleted);
}

TEST_CASE("a body of JSON is split into its events, and what is none comes out as it is") {
  using Events = std::vector<std::string_view>;
  CHECK(SplitEvents("").empty());
  CHECK(SplitEvents(" \n ").empty());
  CHECK(SplitEvents("[]").empty());
  CHECK(SplitEvents("{\"a\": 1,\n \"b\": [1, 2]}\n") == Events{"{\"a\": 1,\n \"b\": [1, 2]}"});
  CHECK(SplitEvents("{\"a\":1}\n{\"a\":\"}\\\"{\"}\r\n\n{\"a\":3}") ==
        Events{"{\"a\":1}", "{\"a\":\"}\\\"{\"}", "{\"a\":3}"});
  CHECK(SplitEvents(" [ {\"a\":1} , {\"a\":[2]} ] ") == Events{"{\"a\":1}", "{\"a\":[2]}"});
  CHECK(SplitEvents("{\"a\":1}\nnot json\n{\"a\":2}") ==
        Events{"{\"a\":1}", "not json", "{\"a\":2}"});
  CHECK(SplitEvents("[1, \"x,]\", null]") == Events{"1", "\"x,]\"", "null"});
  CHECK(SplitEvents("[{\"a\":1},]") == Events{"{\"a\":1}", ""});
  CHECK(SplitEvents("[{\"a\":1}").size() == 2);  // the second is empty: the array never ends
  CHECK(SplitEvents("[{\"a\":1}] x") == Events{"{\"a\":1}", "x"});
  CHECK(SplitEvents("{\"a\":1") == Events{"{\"a\":1"});
  CHECK(SplitEvents("\xef\xbb\xbf{}") == Events{"{}"});
  CHECK(SplitEvents("{\"a\":\"\\") == Events{"{\"a\":\"\\"});
}

}  // namespace freshet
