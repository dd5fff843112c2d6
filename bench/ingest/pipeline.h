// The pipeline that the server runs (live loop, its two stages beside each other, store with its WAL), over whatever log.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/live_loop.h"
#include "featurestore/observe/ingest_metrics.h"

namespace freshet::bench {

// CPU of this process, all threads, in seconds.
double CpuSeconds();

// A log of one partition in memory; `record(i)` stays valid until the next Poll.
class GeneratedLog final : public LogSource {
 public:
  GeneratedLog(int64_t count, std::function<std::string_view(int64_t)> record)
      : count_(count), record_(std::move(record)) {}
  StatusOr<int32_t> Partitions() override { return 1; }
  StatusOr<LogBounds> Bounds(int32_t) override { return LogBounds{0, count_}; }
  StatusOr<std::optional<RecordFingerprint>> FirstAt(int32_t partition, int64_t offset) override;
  Status Assign(const Positions& next) override;
  Status Poll(const PollLimits& limits, LogBatch& batch) override;
  std::optional<int64_t> KnownEnd(int32_t) override { return count_; }
  void CommitAdvisory(const Positions&) override {}

 private:
  const int64_t count_;
  const std::function<std::string_view(int64_t)> record_;
  int64_t next_ = 0;
};

// One store and what reads into it.
class Pipeline {
 public:
  // As the server splits storage.memory. The folder may hold data of an earlier one.
  Pipeline(const Catalog& catalog, const std::filesystem::path& folder);
  ~Pipeline();

  struct Used {
    double seconds = 0;
    double cpu_seconds = 0;
    double wal_bytes = 0;
    double sst_bytes = 0;  // flushed and compacted
  };
  // Until so many records of the log are applied and committed. `after_step` is given the offsets that are servable.
  using AfterStep = std::function<void(const std::map<int32_t, PartitionStatus>&)>;
  Used Read(std::unique_ptr<LogSource> log, int64_t records, PollLimits limits = {},
            const AfterStep& after_step = {});
  Store& store() { return *store_; }
  ViewId view() const { return view_; }

 private:
  const Catalog& catalog_;
  SystemClock clock_;
  Metrics registry_;
  IngestMetrics metrics_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Store> store_;
  ViewId view_;
  std::unique_ptr<LoopContext> context_;
};

}  // namespace freshet::bench
