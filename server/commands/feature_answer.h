// An answer of GetFeatures as `freshet get` shows it: cells with value and status, event times by view.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/base/time.h"
#include "freshet/v1/serving.pb.h"
#include "server/commands/request_rows.h"

namespace freshet {

struct AnswerCell {
  nlohmann::ordered_json value;  // null where there is none
  std::string status;            // PRESENT
  bool degraded = false;
};

struct AnswerRow {
  std::vector<AnswerCell> cells;                      // by feature
  std::vector<std::optional<Timestamp>> event_times;  // by view
};

struct FeatureAnswer {
  struct Feature {
    std::string name;
    std::vector<uint32_t>
        views;  // whose event times are its own: one, or of a derived one any number
  };
  struct View {
    std::string name;  // in a role role:view
    std::optional<Timestamp> watermark;
    std::optional<Timestamp> complete_since;
  };
  std::vector<Feature> features;
  std::vector<View> views;
  Timestamp evaluated_at;
  std::vector<AnswerRow> rows;
};

// Of a response with its schema and event times. Checks its shape, so that a server of another version is an error and not a
// crash.
StatusOr<FeatureAnswer> DecodeAnswer(const v1::GetFeaturesResponse& response);

// {"keys": {…}, "features": {…}, "statuses": {…}, "degraded": […] where some are, "event_times": {…}}, without a newline.
std::string RowAsJson(const FeatureAnswer& answer, size_t row, std::span<const RequestKey> keys,
                      const RequestRow& asked);

// One row: a line a feature. Several: a line a row. Ends in a newline.
std::string AnswerAsTable(const FeatureAnswer& answer, std::span<const RequestKey> keys,
                          std::span<const RequestRow> asked);

}  // namespace freshet
