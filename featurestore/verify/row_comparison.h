// One view's rows beside what the oracle says of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "featurestore/declare/catalog.h"
#include "featurestore/oracle/oracle.h"
#include "featurestore/state/row.h"
#include "featurestore/verify/verify_store.h"

namespace freshet {

// What of a view's log may be compared.
struct LogHolds {
  // The log holds a part: events before this may be missing from it. None: it holds all.
  std::optional<Timestamp> since;
  // No server reads at an earlier now: the greatest event time accepted, or wall clock read at the log's end.
  Timestamp latest;
  // E of semantics.md: rows below it minus keep may have been removed.
  std::optional<Timestamp> expiry_bound;
};

// Not thread-safe. Borrows all.
class RowComparison {
 public:
  // `view_of_oracle`: the view's index there.
  RowComparison(const Catalog& catalog, uint32_t view, const oracle::Oracle& oracle,
                size_t view_of_oracle, const LogHolds& holds, size_t differences_kept,
                ViewVerified& report);

  // A row that the store holds.
  void Stored(std::string_view key, std::string_view bytes);
  // Those that it should hold, once all of this share of the keys were given.
  void Missing();

 private:
  struct Mismatch {
    RowDifference difference;
    bool order_dependent = false;
    bool still_asked = false;  // at a now that a server may still read at
  };

  void CompareRow(const oracle::KeyValues& key, const Row* row, uint64_t hash);
  // Adds what is not as expected at one time.
  void CompareAt(const oracle::KeyValues& key, const oracle::RowFacts& facts, const Row& row,
                 const ReadTime& read, std::vector<Mismatch>& mismatches);
  void ReportAll(std::vector<Mismatch> mismatches, const std::string& why);
  // Whether compaction may have removed the row, before an event came that made it anew.
  bool MayHaveBeenRemoved(const oracle::RowFacts& facts) const;
  bool DependsOnOrder(const Feature* feature, const oracle::RowFacts& facts) const;
  void Report(RowDifference difference, bool keep = true);
  std::string Show(const oracle::KeyValues& key) const;

  const FeatureView& view_;
  const Source& source_;
  const RowLayout& layout_;
  std::vector<Type> key_types_;
  const oracle::Oracle& oracle_;
  const size_t in_oracle_;
  const LogHolds& holds_;
  const size_t kept_;
  ViewVerified& report_;
  std::vector<uint32_t> features_;
  std::vector<Cell> cells_;
  std::unordered_set<uint64_t> seen_;  // hashes of keys
};

}  // namespace freshet
