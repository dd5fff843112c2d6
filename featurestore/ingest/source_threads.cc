#include "featurestore/ingest/source_threads.h"

#include "featurestore/ingest/catch_up_pass.h"
#include "featurestore/ingest/loop_runner.h"

namespace freshet {

namespace {

LoopContext WithInbox(LoopContext context) {
  context.inbox = std::make_shared<HandoverInbox>();
  return context;
}

}  // namespace

SourceThreads::SourceThreads(LoopContext context, std::string brokers)
    : context_(WithInbox(std::move(context))), brokers_(std::move(brokers)) {}

SourceThreads::~SourceThreads() { Stop(); }

void SourceThreads::Stop() {
  RequestStop();
  live_thread_ = {};  // joins: after it no pass is started
  pass_threads_.clear();
}

std::optional<LogVerdict> SourceThreads::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void SourceThreads::SayEnded() const {
  const std::optional<LogVerdict> why = ended();
  if (!why) return;
  context_.store.source_status(context_.source.name).SetPaused(why->reason, why->detail);
  context_.metrics.SetPaused(why->reason);
}

void SourceThreads::Forget() {
  Stop();
  context_.store.source_status(context_.source.name).Forget();
  context_.metrics.RemoveGauges();
}

Status SourceThreads::Start() {
  ASSIGN_OR_RETURN(std::unique_ptr<LogSource> log, context_.open_log(1));
  live_ = std::make_unique<LiveLoop>(context_, std::move(log), PollLimits(), /*overlap=*/true);
  live_thread_ = std::jthread([this](const std::stop_token& stop) {
    LoopRunner runner(context_, brokers_);
    runner.Run(
        *live_, stop, [this] { StartPasses(); },
        [this] {
          const std::lock_guard lock(mutex_);
          ended_ = live_->stop();
          return *ended_;
        });
    live_.reset();  // closes its consumer in its own thread
  });
  return OkStatus();
}

void SourceThreads::StartFollowing(std::vector<PassPlan> plans) {
  for (PassPlan& plan : plans) StartPass(std::move(plan));
}

void SourceThreads::RequestStop() {
  live_thread_.request_stop();
  const std::lock_guard lock(mutex_);
  for (std::jthread& thread : pass_threads_) thread.request_stop();
}

void SourceThreads::StartPasses() {
  // A source that stopped at its very start has told nobody where the log stands.
  if (!live_->stop().ok()) return;
  for (PassPlan& plan : live_->TakePasses()) StartPass(std::move(plan));
}

void SourceThreads::StartPass(PassPlan plan) {
  auto log = context_.open_log(plan.passes);
  if (!log.ok()) {
    context_.log.Error("pass_failed", MessageOf(log.status()), {{"source", context_.source.name}});
    return;
  }
  std::string names;
  for (const LoopView& view : plan.views) {
    names += (names.empty() ? "" : ", ") + view.layout->view().name;
  }
  auto pass =
      std::make_shared<CatchUpPass>(context_, std::move(plan), *std::move(log), PollLimits());
  const std::lock_guard lock(mutex_);
  pass_threads_.emplace_back([this, pass = std::move(pass),
                              names = std::move(names)](const std::stop_token& stop) mutable {
    LoopRunner runner(context_, brokers_, std::move(names));
    runner.Run(
        *pass, stop, [] {}, [&pass] { return pass->stop(); });
    pass.reset();
  });
}

}  // namespace freshet
