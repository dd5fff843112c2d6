// A server without a socket: what the tests of the Pusher push to.
#pragma once

#include <catch2/catch.hpp>
#include <future>

#include "featurestore/ingest/pusher.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_push_log.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {

using std::chrono::steady_clock;

inline const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

// Payments in two partitions, read by the live loop where the test steps it.
struct PushServer {
  explicit PushServer(const PushLimits& limits = {},
                      std::vector<FeatureView> views = {PaymentsView()},
                      Source source = PaymentsSource(), bool event_time = true)
      : running(folder.path(), std::move(views), log, event_time, "", std::move(source)),
        push_log(log) {
    catalog.project = "test";
    catalog.clock = event_time ? ClockKind::kEventTime : ClockKind::kWall;
    catalog.sources = {running.source};
    catalog.views = running.declared_views;
    pusher = std::make_unique<Pusher>(std::make_shared<Catalog>(catalog), *running.store,
                                      running.clock, push_log, limits);
    loop = running.Live();
    running.ReadAll(*loop);
  }
  void Apply() {
    for (int i = 0; i < 4; ++i) loop->Step();
  }
  PushRequest Request(std::vector<std::string> events, const std::string& producer = "",
                      uint64_t sequence = 0) {
    PushRequest request;
    request.source = "payments";
    request.events = std::move(events);
    request.producer = producer;
    request.first_sequence = sequence;
    request.deadline = steady_clock::now() + std::chrono::seconds(20);
    return request;
  }
  std::future<PushResult> Push(PushRequest request) {
    auto promise = std::make_shared<std::promise<PushResult>>();
    pusher->Push(std::move(request), [promise](PushResult result) { promise->set_value(result); });
    return promise->get_future();
  }
  PushResult PushApplied(PushRequest request) {
    auto result = Push(std::move(request));
    while (result.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) Apply();
    return result.get();
  }
  int64_t Records() const {
    FakeLogSource reader(log);
    return reader.Bounds(0)->end + reader.Bounds(1)->end;
  }

  TempFolder folder;
  std::shared_ptr<FakeLog> log = std::make_shared<FakeLog>(2);
  Running running;
  Catalog catalog;
  FakePushLog push_log;
  std::unique_ptr<Pusher> pusher;
  std::unique_ptr<LiveLoop> loop;
};

inline std::string P(const std::string& card, int64_t cents) { return Payment(kNoon, card, cents); }

inline bool Mentions(const PushError& error, const std::string& what) {
  return error.message.find(what) != std::string::npos;
}

}  // namespace freshet
