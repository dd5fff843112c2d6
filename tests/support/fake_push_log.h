// Pushes into a FakeLog: taken at once, or held until a test lets them go or refuses them.
#pragma once

#include <mutex>
#include <vector>

#include "featurestore/base/hash.h"
#include "featurestore/ingest/push_log.h"
#include "tests/support/fake_log.h"

namespace freshet {

class FakePushLog final : public PushLog {
 public:
  explicit FakePushLog(std::shared_ptr<FakeLog> log) : log_(std::move(log)) {}

  void Serve(const Catalog&) override {}
  Status Ready(const Source&) override {
    const std::lock_guard lock(mutex_);
    return ready_;
  }
  void Append(const Source&, std::vector<PushRecord> records, Delivered delivered) override {
    {
      const std::lock_guard lock(mutex_);
      if (held_) {
        waiting_.push_back({std::move(records), std::move(delivered)});
        return;
      }
    }
    Take(std::move(records), delivered);
  }
  size_t record_bytes_max() const override { return 1000; }
  std::optional<uint64_t> unapplied_bytes_max() const override { return unapplied_; }
  void Stop() override {
    SetHeld(true);
    LetGo(0, {Unavailable("stopped")});
  }

  void SetReady(Status ready) {
    const std::lock_guard lock(mutex_);
    ready_ = std::move(ready);
  }
  void SetHeld(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
  }
  void SetUnapplied(uint64_t bytes) { unapplied_ = bytes; }
  size_t waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }
  // Of each that waits the first `taken` records are taken, the others told `refused`, of which the last stands for all that follow.
  void LetGo(size_t taken, const std::vector<Status>& refused = {OkStatus()}) {
    for (Waiting& one : TakeWaiting()) {
      const size_t count = std::min(taken, one.records.size());
      for (size_t i = count; i < one.records.size(); ++i) {
        one.delivered(i, {refused[std::min(i - count, refused.size() - 1)], 0, 0});
      }
      one.records.resize(count);
      Take(std::move(one.records), one.delivered);
    }
  }
  // All that waits is said to stand there.
  void LetGoAt(const PushedTo& to) {
    for (const Waiting& one : TakeWaiting()) {
      for (size_t i = 0; i < one.records.size(); ++i) one.delivered(i, to);
    }
  }

 private:
  struct Waiting {
    std::vector<PushRecord> records;
    Delivered delivered;
  };
  std::vector<Waiting> TakeWaiting() {
    std::vector<Waiting> waiting;
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
    return waiting;
  }
  void Take(std::vector<PushRecord> records, const Delivered& delivered) {
    for (size_t i = 0; i < records.size(); ++i) {
      const PushRecord& record = records[i];
      PushHeaders headers;
      record.EachHeader([&](std::string_view name, std::string_view value) {
        headers.emplace_back(name, value);
      });
      const auto partition = static_cast<int32_t>(
          Hash64(record.key ? *record.key : record.spread_by) % log_->partitions.size());
      delivered(i,
                {OkStatus(), partition, log_->Push(partition, headers, record.key, record.value)});
    }
  }

  const std::shared_ptr<FakeLog> log_;
  std::mutex mutex_;
  Status ready_;
  bool held_ = false;
  std::optional<uint64_t> unapplied_;
  std::vector<Waiting> waiting_;
};

}  // namespace freshet
