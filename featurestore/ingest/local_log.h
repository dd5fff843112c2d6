// The log of a server without Kafka: what is pushed is kept in its data folder, synced, one partition a source, and read from there by
// the same loops that read Kafka. Every source's is trimmed by age and size, never before its views have passed it.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/log_source.h"
#include "featurestore/ingest/push_log.h"
#include "featurestore/observe/log.h"
#include "featurestore/store/store.h"

namespace freshet {

// What LogAddress::log_id is without Kafka: a folder has one local log for as long as it lives.
inline constexpr char kLocalLogId[] = "local";

struct LocalLogOptions {
  Duration keep = Duration::Days(30);
  uint64_t most_bytes = 4ull << 30;  // of a source
};

// Thread-safe. `store`, `clock` and `log` must outlive it.
class LocalLog final : public PushLog {
 public:
  LocalLog(const LocalLogOptions& options, Store& store, const Clock& clock, Log& log);
  ~LocalLog() override;  // Stop

  void Serve(const Catalog& catalog) override;
  Status Ready(const Source& source) override;
  // What waits is written together: one sync for all.
  void Append(const Source& source, std::vector<PushRecord> records, Delivered delivered) override;
  size_t record_bytes_max() const override { return 16 << 20; }
  void Stop() override;

  // A reader; may outlive this.
  std::unique_ptr<LogSource> Open(const std::string& source) const;
  // As the thread does every minute: of all sources that were declared or appended to.
  void TrimAll();
  Status Trim(const std::string& source);

  // Ends of the logs that readers wait for.
  struct Ends {
    std::mutex mutex;
    std::condition_variable grown;
    std::map<std::string, int64_t> ends;  // as far as this process has appended
  };

 private:
  struct Waiting {
    std::string source;
    std::vector<Store::LocalRecord> records;
    Delivered delivered;
  };
  void Run();
  void Write(std::vector<Waiting> waiting);

  const LocalLogOptions options_;
  Store& store_;
  const Clock& clock_;
  Log& log_;
  const std::shared_ptr<Ends> ends_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Waiting> waiting_;
  std::set<std::string> sources_;  // to be trimmed
  std::set<std::string> unread_;   // that no view reads: nothing is waited for
  bool stopping_ = false;
  std::thread thread_;
};

// A reader of what a folder holds, also where no server runs on it. `store` must outlive it.
std::unique_ptr<LogSource> OpenLocalLog(const Store& store, const std::string& source);

}  // namespace freshet
