#include "server/test_faults.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>

namespace freshet {
namespace {

class FaultyLog final : public LogSource {
 public:
  FaultyLog(std::unique_ptr<LogSource> log, bool loses) : log_(std::move(log)), loses_(loses) {}

  StatusOr<int32_t> Partitions() override { return log_->Partitions(); }
  StatusOr<LogBounds> Bounds(int32_t partition) override { return log_->Bounds(partition); }
  StatusOr<std::optional<RecordFingerprint>> FirstAt(int32_t partition, int64_t offset) override {
    return log_->FirstAt(partition, offset);
  }
  Status Assign(const Positions& next) override {
    RETURN_IF_ERROR(log_->Assign(next));
    if (!assigned_.empty()) Break();
    for (const auto& [partition, offset] : next) assigned_.insert(partition);
    return OkStatus();
  }
  Status Poll(const PollLimits& limits, LogBatch& batch) override {
    RETURN_IF_ERROR(log_->Poll(limits, batch));
    if (batch.records.empty()) return OkStatus();
    const auto now = std::chrono::steady_clock::now();
    if (last_came_ && now - *last_came_ > kBreak) Break();
    last_came_ = now;
    std::set<int32_t> lost;
    if (loses_) std::swap(lost, due_);
    for (SourceRecord& record : batch.records) {
      const auto last = last_.find(record.partition);
      if (due_.erase(record.partition) != 0 && last != last_.end()) Show(last->second, record);
    }
    std::set<int32_t> still_due;
    for (const int32_t partition : lost) {
      const auto first = std::find_if(
          batch.records.begin(), batch.records.end(),
          [partition](const SourceRecord& record) { return record.partition == partition; });
      if (first != batch.records.end()) {
        batch.records.erase(first);
      } else {
        still_due.insert(partition);
      }
    }
    due_.merge(still_due);
    Remember(batch);
    return OkStatus();
  }
  std::optional<int64_t> KnownEnd(int32_t partition) override { return log_->KnownEnd(partition); }
  void CommitAdvisory(const Positions& durable) override { log_->CommitAdvisory(durable); }

 private:
  static constexpr std::chrono::milliseconds kBreak{300};

  struct Kept {
    std::optional<std::string> key, value;
  };
  void Break() { due_ = assigned_; }
  // In the place of another; what it shows lives until that partition's next poll.
  void Show(const Kept& kept, SourceRecord& record) {
    const Kept& shown = shown_[record.partition] = kept;
    record.raw.key = shown.key;
    record.raw.value = shown.value;
  }
  void Remember(const LogBatch& batch) {
    for (auto record = batch.records.rbegin(); record != batch.records.rend(); ++record) {
      Kept& last = last_[record->partition];
      if (last_of_batch_.insert(record->partition).second) {
        last = {record->raw.key ? std::optional<std::string>(*record->raw.key) : std::nullopt,
                record->raw.value ? std::optional<std::string>(*record->raw.value) : std::nullopt};
      }
    }
    last_of_batch_.clear();
  }

  const std::unique_ptr<LogSource> log_;
  const bool loses_;
  std::set<int32_t> assigned_;
  std::set<int32_t> due_;  // of which no record came since the break
  std::optional<std::chrono::steady_clock::time_point> last_came_;
  std::map<int32_t, Kept> last_, shown_;
  std::set<int32_t> last_of_batch_;
};

}  // namespace

StatusOr<CommitFaults> CommitFaultsFromEnvironment(Log& log) {
  CommitFaults faults;
  if (const char* name = std::getenv("FRESHET_TEST_COMMIT_FAULT");
      name != nullptr && *name != '\0') {
    const auto kind = CommitFaults::FromName(name);
    if (!kind.has_value())
      return InvalidArgument("FRESHET_TEST_COMMIT_FAULT: there is no fault {}; unset it", name);
    faults.kind = *kind;
    log.Warn("commit_fault",
             "FRESHET_TEST_COMMIT_FAULT is set: this server loses or repeats events when it is "
             "killed. For tests only.",
             {{"fault", std::string(name)}});
  }
  if (const char* path = std::getenv("FRESHET_TEST_COMMIT_LOG"); path != nullptr && *path != '\0') {
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return InvalidArgument("FRESHET_TEST_COMMIT_LOG: {} cannot be written", path);
    const std::shared_ptr<const int> file(new int(fd), [](const int* owned) {
      close(*owned);
      delete owned;
    });
    // The waits make room for a kill before the write and after it, inside what the file says is one commit.
    faults.around = [file](bool begins) {
      if (!begins) std::this_thread::sleep_for(std::chrono::milliseconds(8));
      [[maybe_unused]] const ssize_t written = write(*file, begins ? "b" : "e", 1);
      if (begins) std::this_thread::sleep_for(std::chrono::milliseconds(8));
    };
  }
  return faults;
}

StatusOr<LogFaults> LogFaultsFromEnvironment(Log& log) {
  const char* name = std::getenv("FRESHET_TEST_LOG_FAULT");
  if (name == nullptr || *name == '\0') return LogFaults{};
  const std::string_view fault = name;
  if (fault != "loses_after_break" && fault != "repeats_after_break") {
    return InvalidArgument("FRESHET_TEST_LOG_FAULT: there is no fault {}; unset it", fault);
  }
  log.Warn("log_fault",
           "FRESHET_TEST_LOG_FAULT is set: this server loses or repeats events when their stream "
           "breaks off. For tests only.",
           {{"fault", std::string(fault)}});
  return LogFaults([loses = fault == "loses_after_break"](std::unique_ptr<LogSource> source) {
    return std::make_unique<FaultyLog>(std::move(source), loses);
  });
}

}  // namespace freshet
