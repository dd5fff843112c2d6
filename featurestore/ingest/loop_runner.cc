#include "featurestore/ingest/loop_runner.h"

#include <algorithm>
#include <chrono>

namespace freshet {
namespace {

constexpr Duration kFirstBackoff = Duration::Millis(50);
constexpr Duration kLastBackoff = Duration::Seconds(2);
constexpr Duration kHeldWait = Duration::Millis(2);
constexpr Duration kOutboxWait = Duration::Millis(100);

// Of an error while asking the log.
std::string LogPauseReason(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return "topic_missing";
    case absl::StatusCode::kUnavailable:
      return "broker_down";
    case absl::StatusCode::kOutOfRange:
      return "offset_out_of_range";
    default:
      return PauseReason(status);
  }
}

}  // namespace

void LoopRunner::Run(IngestLoop& loop, const std::stop_token& stop,
                     const std::function<void()>& begun,
                     const std::function<LogVerdict()>& verdict) {
  backoff_ = kFirstBackoff;
  while (!stop.stop_requested()) {
    if (!begun_) {
      if (!Begin(loop)) {
        BackOff(stop);
        continue;
      }
      begun();
    }
    if (!Step(loop, stop, verdict)) return;
  }
}

bool LoopRunner::Begin(IngestLoop& loop) {
  const Status status = loop.Begin();
  if (!status.ok()) {
    if (reports_) ReportNotBegun(status);
    return false;
  }
  begun_ = true;
  if (reports_) context_.all_metrics.SetBrokerUp(brokers_, true);
  return true;
}

void LoopRunner::ReportNotBegun(const Status& status) {
  const std::string reason = LogPauseReason(status);
  context_.all_metrics.SetBrokerUp(brokers_, reason != "broker_down");
  if (reason != "broker_down") return Pause(reason, std::string(MessageOf(status)));
  const std::string replaced = context_.log_replaced ? context_.log_replaced() : std::string();
  if (!replaced.empty()) return Pause("log_replaced", replaced);
  Pause(reason,
        fmt::format("brokers {}: {}; trying until they answer", brokers_, MessageOf(status)));
}

bool LoopRunner::Step(IngestLoop& loop, const std::stop_token& stop,
                      const std::function<LogVerdict()>& verdict) {
  const StepResult result = loop.Step();
  switch (result.kind) {
    case StepKind::kRead:
    case StepKind::kIdle:
      Resume();
      return true;
    case StepKind::kHeld:
      Wait(kHeldWait, stop);
      return true;
    case StepKind::kOutboxFull:
      Pause(
          "dead_letters_full",
          fmt::format(
              "{} bytes of dead letters wait for their topic, which takes none: see that it exists "
              "and that the broker accepts records; reading goes on once they are delivered",
              context_.store.dead_letter_bytes()));
      if (context_.dead_letters_waiting) context_.dead_letters_waiting();
      Wait(kOutboxWait, stop);
      return true;
    case StepKind::kLogError:
      // The first try to begin anew comes at once: a connection that was closed while idle is no pause.
      begun_ = false;
      if (++log_errors_ == 1) {
        Wait(kHeldWait, stop);
      } else {
        Pause(LogPauseReason(result.status), std::string(MessageOf(result.status)));
        BackOff(stop);
      }
      return true;
    case StepKind::kStoreError:
      Pause(PauseReason(result.status), std::string(MessageOf(result.status)));
      BackOff(stop);
      return true;
    case StepKind::kDone:
      return false;
    case StepKind::kStopped: {
      const LogVerdict why = verdict();
      Pause(why.reason, why.detail);
      return false;
    }
  }
  return true;
}

void LoopRunner::Pause(const std::string& reason, const std::string& detail) {
  if (!reports_) return;
  context_.store.source_status(context_.source.name).SetPaused(reason, detail);
  if (reason == paused_) return;
  paused_ = reason;
  context_.metrics.SetPaused(reason);
  context_.log.Warn("ingest_paused", detail,
                    {{"source", context_.source.name}, {"reason", reason}});
}

void LoopRunner::Resume() {
  backoff_ = kFirstBackoff;
  log_errors_ = 0;
  if (!reports_ || paused_.empty()) return;
  paused_.clear();
  context_.store.source_status(context_.source.name).SetPaused("", "");
  context_.metrics.SetPaused("");
  context_.log.Info("ingest_resumed", "the source is read again",
                    {{"source", context_.source.name}});
}

void LoopRunner::Wait(Duration duration, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, std::chrono::microseconds(duration.us), [] { return false; });
}

void LoopRunner::BackOff(const std::stop_token& stop) {
  Wait(backoff_, stop);
  backoff_ = std::min(Duration{backoff_.us * 2}, kLastBackoff);
}

}  // namespace freshet
