#include "bench/ingest/pipeline.h"

#include <sys/resource.h>

#include <array>
#include <chrono>

#include "bench/check.h"
#include "featurestore/ingest/ingest.h"

namespace freshet::bench {
namespace {

constexpr std::array<std::string_view, 5> kReasons = {"malformed", "mistyped", "incomplete",
                                                      "future", "no_key"};

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

Status GeneratedLog::Assign(const Positions& next) {
  next_ = next.at(0);
  return OkStatus();
}

StatusOr<std::optional<RecordFingerprint>> GeneratedLog::FirstAt(int32_t, int64_t offset) {
  SourceRecord record;
  record.offset = offset;
  record.raw.value = record_(offset);
  record.raw.record_time = kNoRecordTime;
  return std::optional(FingerprintOf(record));
}

Status GeneratedLog::Poll(const PollLimits& limits, LogBatch& batch) {
  batch.Clear();
  while (next_ < count_ && batch.records.size() < limits.records && batch.bytes < limits.bytes) {
    SourceRecord& record = batch.records.emplace_back();
    record.offset = next_++;
    record.raw.value = record_(record.offset);
    record.raw.record_time = kNoRecordTime;
    batch.bytes += record.raw.value->size();
  }
  return OkStatus();
}

Pipeline::Pipeline(const Catalog& catalog, const std::filesystem::path& folder)
    : catalog_(catalog), metrics_(registry_), log_(MakeStderrLog(LogLevel::kWarn)) {
  StoreOptions options;
  options.path = folder;
  options.project = catalog.project;
  options.memory_bytes = catalog.storage.memory_bytes - catalog.storage.ingest_bytes();
  options.write_buffer_bytes = catalog.storage.memtable_bytes();
  options.TuneFor(catalog.views);
  store_ = Take(Store::Open(options));
  const FeatureView& view = catalog.views[0];
  view_ = Take(store_->OpenView(StoreView::Of(view)));
  const Source& source = catalog.sources[0];
  context_ = std::unique_ptr<LoopContext>(
      new LoopContext{.source = source,
                      .views = {{view_, catalog.layouts[0].get()}},
                      .derived = catalog.derived[0].get(),
                      .event_time_clock = catalog.clock == ClockKind::kEventTime,
                      .cache_bytes = catalog.storage.ingest_bytes() / 8 * 3,
                      .store = *store_,
                      .clock = clock_,
                      .metrics = metrics_.Source(source.name, {view.name}, kReasons),
                      .all_metrics = metrics_,
                      .log = *log_});
}

Pipeline::~Pipeline() = default;

Pipeline::Used Pipeline::Read(std::unique_ptr<LogSource> log, int64_t records, PollLimits limits,
                              const AfterStep& after_step) {
  SourceStatus& status = store_->source_status(catalog_.sources[0].name);
  const auto before = store_->Statistics();
  const double cpu = CpuSeconds();
  const auto begin = std::chrono::steady_clock::now();
  LiveLoop loop(*context_, std::move(log), limits, /*overlap=*/true);
  Check(loop.Begin().status);
  for (int64_t applied = 0; applied < records;) {
    const StepResult step = loop.Step();
    Check(step.status);
    if (step.kind == StepKind::kStopped) Die(Internal("{}", loop.stop().detail));
    const auto partitions = status.partitions();
    applied = 0;
    for (const auto& [partition, at] : partitions) applied += at.next;
    if (after_step) after_step(partitions);
  }
  // Until the last event is committed: the loop and its rows go afterwards.
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const double cpu_seconds = CpuSeconds() - cpu;
  const auto after = store_->Statistics();
  const auto sst = [](const StoreStatistics& s) {
    return static_cast<double>(s.flush_bytes_written + s.compaction_bytes_written);
  };
  return {seconds.count(), cpu_seconds,
          static_cast<double>(after.wal_bytes_written - before.wal_bytes_written),
          sst(after) - sst(before)};
}

}  // namespace freshet::bench
