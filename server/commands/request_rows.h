// What `freshet get` asks for: entity rows from the command line or from a file, typed as the service's keys and inputs are.
#pragma once

#include <cstdint>
#include <istream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/model/value.h"
#include "freshet/v1/catalog.pb.h"
#include "freshet/v1/serving.pb.h"

namespace freshet {

struct RequestKey {
  std::string name;
  Type type = Type::kString;
  bool is_input = false;  // what comes with the request, and tells no entity
  const char* noun() const { return is_input ? "input" : "key"; }
};

// The keys of one service, then its inputs, as DescribeCatalog tells them.
StatusOr<std::vector<RequestKey>> KeysOfService(const v1::DescribeCatalogResponse& catalog,
                                                const std::string& service);

struct RequestRow {
  std::vector<nlohmann::ordered_json>
      keys;  // by RequestKey: as answered under "keys"; null: no entity, no input
  std::optional<int64_t> as_of_us;
};

// RFC 3339 or microseconds since the epoch.
StatusOr<int64_t> ParseAsOf(std::string_view text);

// `key=value` …: one row; `key:null`: no entity, no input.
StatusOr<RequestRow> ParseKeyArguments(const std::string& service, std::span<const RequestKey> keys,
                                       std::span<const std::string> arguments);

// An object a line; empty lines are passed over. `place` is the file's name in errors. A member "as_of" is the row's time
// unless a key is named so; "--as-of" always is.
StatusOr<std::vector<RequestRow>> ReadRows(const std::string& service,
                                           std::span<const RequestKey> keys, std::istream& lines,
                                           const std::string& place);

// Rows without a time take `as_of_us`; a request can tell one time for all rows or one a row, so either all have one by then or
// none has.
Status FillAsOf(std::optional<int64_t> as_of_us, std::vector<RequestRow>& rows);

// `rows` as the columns of one call.
void FillRequest(std::span<const RequestKey> keys, std::span<const RequestRow> rows,
                 v1::GetFeaturesRequest& request);

}  // namespace freshet
