#include "featurestore/ingest/local_log.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace freshet {
namespace {

constexpr std::chrono::seconds kTrimEvery{60};
constexpr int32_t kPartition = 0;

// Reads the store; waits for what this process appends.
class LocalLogSource final : public LogSource {
 public:
  LocalLogSource(const Store& store, std::string source, std::shared_ptr<LocalLog::Ends> ends)
      : store_(store), source_(std::move(source)), ends_(std::move(ends)) {}

  StatusOr<int32_t> Partitions() override { return 1; }

  StatusOr<LogBounds> Bounds(int32_t) override {
    ASSIGN_OR_RETURN(const Store::LocalBounds bounds, store_.ReadLocalBounds(source_));
    return LogBounds{bounds.start, bounds.end};
  }

  StatusOr<std::optional<RecordFingerprint>> FirstAt(int32_t, int64_t offset) override {
    next_.reset();
    std::optional<RecordFingerprint> found;
    RETURN_IF_ERROR(store_.ReadLocal(source_, offset, [&](int64_t at, Store::LocalRecord record) {
      Kept kept{std::move(record), {}};
      found = FingerprintOf(View(at, kept));
      return false;
    }));
    return found;
  }

  Status Assign(const Positions& next) override {
    next_.reset();
    said_end_.reset();
    if (const auto found = next.find(kPartition); found != next.end()) next_ = found->second;
    return OkStatus();
  }

  Status Poll(const PollLimits& limits, LogBatch& batch) override {
    batch.Clear();
    kept_.clear();
    if (!next_) return OkStatus();
    RETURN_IF_ERROR(Read(limits, batch));
    if (!batch.records.empty() || !batch.ends.empty()) return OkStatus();
    {
      std::unique_lock lock(ends_->mutex);
      const bool grown =
          ends_->grown.wait_for(lock, std::chrono::microseconds(limits.wait.us), [this] {
            const auto end = ends_->ends.find(source_);
            return end != ends_->ends.end() && end->second > *next_;
          });
      if (!grown) return OkStatus();
    }
    return Read(limits, batch);
  }

  std::optional<int64_t> KnownEnd(int32_t) override {
    const std::lock_guard lock(ends_->mutex);
    const auto end = ends_->ends.find(source_);
    return end == ends_->ends.end() ? std::nullopt : std::optional(end->second);
  }

  void CommitAdvisory(const Positions&) override {}

 private:
  struct Kept {
    Store::LocalRecord record;
    std::vector<std::pair<std::string_view, std::string_view>> headers;
  };

  Status Read(const PollLimits& limits, LogBatch& batch) {
    ASSIGN_OR_RETURN(const Store::LocalBounds bounds, store_.ReadLocalBounds(source_));
    if (bounds.start > *next_) {
      return MakeStatus(absl::StatusCode::kOutOfRange,
                        "source {}: the local log begins at {}, and {} was to be read", source_,
                        bounds.start, *next_);
    }
    RETURN_IF_ERROR(store_.ReadLocal(source_, *next_, [&](int64_t at, Store::LocalRecord record) {
      if (batch.records.size() >= limits.records || batch.bytes >= limits.bytes) return false;
      Kept& kept = kept_.emplace_back();
      kept.record = std::move(record);
      batch.records.push_back(View(at, kept));
      batch.bytes += kept.record.value ? kept.record.value->size() : 0;
      next_ = at + 1;
      return true;
    }));
    if (*next_ < bounds.end || said_end_ == next_) return OkStatus();
    batch.ends[kPartition] = *next_;
    said_end_ = next_;
    return OkStatus();
  }

  static SourceRecord View(int64_t offset, Kept& kept) {
    for (const auto& [name, value] : kept.record.headers) kept.headers.emplace_back(name, value);
    SourceRecord view;
    view.partition = kPartition;
    view.offset = offset;
    view.broker_time = true;
    view.raw.record_time = kept.record.time;
    if (kept.record.key) view.raw.key = *kept.record.key;
    if (kept.record.value) view.raw.value = *kept.record.value;
    view.raw.headers = kept.headers;
    return view;
  }

  const Store& store_;
  const std::string source_;
  const std::shared_ptr<LocalLog::Ends> ends_;
  std::optional<int64_t> next_;
  std::optional<int64_t> said_end_;
  std::deque<Kept> kept_;  // of the last Poll
};

}  // namespace

LocalLog::LocalLog(const LocalLogOptions& options, Store& store, const Clock& clock, Log& log)
    : options_(options),
      store_(store),
      clock_(clock),
      log_(log),
      ends_(std::make_shared<Ends>()),
      thread_([this] { Run(); }) {}

LocalLog::~LocalLog() { Stop(); }

std::unique_ptr<LogSource> LocalLog::Open(const std::string& source) const {
  return std::make_unique<LocalLogSource>(store_, source, ends_);
}

std::unique_ptr<LogSource> OpenLocalLog(const Store& store, const std::string& source) {
  return std::make_unique<LocalLogSource>(store, source, std::make_shared<LocalLog::Ends>());
}

void LocalLog::Serve(const Catalog& catalog) {
  const std::lock_guard lock(mutex_);
  unread_.clear();
  for (uint32_t s = 0; s < catalog.sources.size(); ++s) {
    sources_.insert(catalog.sources[s].name);
    if (!catalog.IsRead(s)) unread_.insert(catalog.sources[s].name);
  }
}

Status LocalLog::Ready(const Source&) {
  const std::lock_guard lock(mutex_);
  return stopping_ ? Unavailable("the server stops") : OkStatus();
}

void LocalLog::Append(const Source& source, std::vector<PushRecord> records, Delivered delivered) {
  Waiting waiting{source.name, {}, std::move(delivered)};
  const Timestamp now = clock_.Now();
  // A record's time is the log's own, as LogAppendTime: `future` is decided by it, and a dead letter whose time has come since must not
  // be refused again.
  for (PushRecord& record : records) {
    if (record.shared_headers != nullptr) {
      record.headers.insert(record.headers.begin(), record.shared_headers->begin(),
                            record.shared_headers->end());
    }
    waiting.records.push_back({std::max(record.time.value_or(now), now), std::move(record.key),
                               std::move(record.value), std::move(record.headers)});
  }
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      waiting_.push_back(std::move(waiting));
      wake_.notify_all();
      return;
    }
  }
  for (size_t i = 0; i < waiting.records.size(); ++i) {
    waiting.delivered(i, {Unavailable("the server stops"), 0, 0});
  }
}

void LocalLog::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LocalLog::Run() {
  auto next_trim = std::chrono::steady_clock::now() + kTrimEvery;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait_until(lock, next_trim, [this] { return stopping_ || !waiting_.empty(); });
    if (!waiting_.empty()) {
      std::vector<Waiting> waiting = std::exchange(waiting_, {});
      for (const Waiting& one : waiting) sources_.insert(one.source);
      lock.unlock();
      Write(std::move(waiting));
      lock.lock();
      continue;
    }
    if (stopping_) return;
    if (std::chrono::steady_clock::now() < next_trim) continue;
    next_trim = std::chrono::steady_clock::now() + kTrimEvery;
    lock.unlock();
    TrimAll();
    lock.lock();
  }
}

void LocalLog::TrimAll() {
  std::set<std::string> sources;
  {
    const std::lock_guard lock(mutex_);
    sources = sources_;
  }
  for (const std::string& source : sources) {
    if (const Status trimmed = Trim(source); !trimmed.ok()) {
      log_.Warn("local_log_not_trimmed", MessageOf(trimmed), {{"source", source}});
    }
  }
}

void LocalLog::Write(std::vector<Waiting> waiting) {
  std::map<std::string, std::vector<Waiting*>> by_source;
  for (Waiting& one : waiting) by_source[one.source].push_back(&one);
  for (auto& [source, appends] : by_source) {
    std::vector<Store::LocalRecord> records;
    for (Waiting* one : appends) {
      records.insert(records.end(), std::make_move_iterator(one->records.begin()),
                     std::make_move_iterator(one->records.end()));
    }
    const auto first = store_.AppendLocal(source, records);
    if (first.ok()) {
      const std::lock_guard lock(ends_->mutex);
      ends_->ends[source] = *first + static_cast<int64_t>(records.size());
    }
    ends_->grown.notify_all();
    int64_t offset = first.ok() ? *first : 0;
    for (Waiting* one : appends) {
      for (size_t i = 0; i < one->records.size(); ++i) {
        one->delivered(i, {first.status(), kPartition, offset++});
      }
    }
  }
}

Status LocalLog::Trim(const std::string& source) {
  bool unread = false;
  {
    const std::lock_guard lock(mutex_);
    unread = unread_.contains(source);
  }
  int64_t passed = unread ? std::numeric_limits<int64_t>::max() : 0;
  if (!unread) {
    const auto partitions = store_.source_status(source).partitions();
    const auto found = partitions.find(kPartition);
    if (found != partitions.end()) passed = std::min(found->second.least, found->second.next);
  }
  return store_.TrimLocal(source, passed, clock_.Now() - options_.keep, options_.most_bytes)
      .status();
}

}  // namespace freshet
