// Is a data folder what its logs say? Reads the logs again up to the stored progress of each view, into the oracle, and compares every
// row of the store with it, at several read times: values, statuses, event times, and which rows there are. For operators
// (`freshet verify`) and for the fault tests.
//
// What a log no longer holds cannot be compared: features whose window reaches below that time are left out and counted, never
// passed in silence.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/base/time.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/log_source.h"
#include "featurestore/store/store.h"

namespace freshet {

struct VerifyOptions {
  std::vector<std::string> views;  // by name; empty: all
  // So many of the rows that are stored of a view, those of the least hashes of keys, and what the log says there should be among
  // them; 0: all.
  uint64_t sample = 0;
  // Of the events of a log that are held at once. Where they take more, the log is read several times, for a range of keys each.
  uint64_t memory_bytes = 1ull << 30;
  size_t differences_kept = 10;  // a view
  // `share` of the log of `source` that was read, of the keys from `keys_done` on (shares of all keys).
  std::function<void(const std::string& source, double share, double keys_done)> progress;
  std::function<bool()> cancelled;
};

// One thing that is not as the log says.
struct RowDifference {
  std::string entity;   // key by key, as for people; empty: not of a row
  std::string feature;  // "row": all of it; "event time"; "progress of partition 3"
  std::string read_at;  // "now …", "now … as_of …"; empty: at any
  std::string expected;
  std::string got;
  std::string why;
};

struct ViewVerified {
  std::string view;
  std::string version;
  std::string source;
  // Why nothing of it was compared: `not_built`: the folder holds nothing of this version; else the log is not the one that was read.
  bool not_built = false;
  std::string not_verified;
  bool complete = false;  // else it is still being built, and was compared as far as it is
  uint64_t rows_stored = 0;
  uint64_t rows_compared = 0;
  uint64_t rows_different = 0;  // also those that are missing
  uint64_t reads = 0;
  uint64_t cells_compared = 0;
  std::map<std::string, uint64_t> rows_excluded;   // by reason
  std::map<std::string, uint64_t> cells_excluded;  // by reason
  // The log holds only a part: what is older than this was not compared.
  std::optional<Timestamp> log_holds_since;
  uint64_t differences = 0;
  std::vector<RowDifference> first;  // of the differences

  // Rows are stored, and all of them were left out: nothing is known of them.
  bool nothing_comparable() const {
    return not_verified.empty() && rows_stored > 0 && rows_compared == 0 && differences == 0;
  }
  bool compared() const { return !not_built && not_verified.empty() && !nothing_comparable(); }
  bool ok() const { return compared() && differences == 0; }
};

struct SourceVerified {
  std::string source;
  uint64_t records = 0;                     // up to the stored progress, each counted once
  std::map<std::string, uint64_t> refused;  // by reason
  uint64_t times_read = 0;                  // the log; more than once where memory was short
};

struct VerifyReport {
  std::vector<ViewVerified> views;      // in the order of the catalog
  std::vector<SourceVerified> sources;  // that were read
  bool ok() const;                      // all views were compared, and nothing differs
};

// The log of a source that is there now.
struct VerifyLog {
  std::string log_id;              // LogAddress
  bool every_gap_is_loss = false;  // a mock's
  std::function<StatusOr<std::unique_ptr<LogSource>>(const Source& source)> open;
};

// `store` is open, best read-only; its views are opened here. An error says why nothing can be said: the log cannot be read, or the
// folder. CANCELLED where options.cancelled says so.
StatusOr<VerifyReport> VerifyStore(const Catalog& catalog, Store& store, const VerifyLog& log,
                                   const VerifyOptions& options);

}  // namespace freshet
