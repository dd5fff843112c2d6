#include "server/commands/feature_answer.h"

#include <algorithm>
#include <cstring>

#include "featurestore/model/type_text.h"
#include "featurestore/serve/answer.h"
#include "server/commands/column_values.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kNoRow = std::numeric_limits<int64_t>::min();

template <typename Number>
Number ReadAt(std::string_view bytes, size_t index) {
  Number number;
  std::memcpy(&number, bytes.data() + index * sizeof(Number), sizeof(Number));
  return number;
}

Status Malformed(std::string_view what) {
  return Internal(
      "the server's answer is not whole: {}; is it of another version than this freshet?", what);
}

std::string StatusName(uint8_t status) {
  const std::string& name = v1::FeatureStatus_Name(static_cast<v1::FeatureStatus>(status));
  return name.empty() ? fmt::format("STATUS_{}", status) : name;
}

Status DecodeViews(const v1::GetFeaturesResponse& response, FeatureAnswer& answer) {
  for (const v1::ViewInfo& info : response.views()) {
    FeatureAnswer::View& view = answer.views.emplace_back();
    view.name = info.role().empty() ? info.view() : info.role() + ":" + info.view();
    if (info.has_watermark_us()) view.watermark = Timestamp{info.watermark_us()};
    if (info.has_complete_since_us()) view.complete_since = Timestamp{info.complete_since_us()};
    const size_t sent = info.broadcast() ? 1 : answer.rows.size();
    const std::string& times = info.event_times_us_le();
    if (times.size() != sent * sizeof(int64_t))
      return Malformed("event times of view " + info.view());
    for (size_t row = 0; row < answer.rows.size(); ++row) {
      const auto time = ReadAt<int64_t>(times, info.broadcast() ? 0 : row);
      answer.rows[row].event_times.push_back(time == kNoRow ? std::nullopt
                                                            : std::optional(Timestamp{time}));
    }
  }
  return OkStatus();
}

Status DecodeColumns(const v1::GetFeaturesResponse& response, FeatureAnswer& answer) {
  size_t before = 0;  // values of the columns before, which is where this one's statuses begin
  for (int c = 0; c < response.columns_size(); ++c) {
    const v1::Column& column = response.columns(c);
    const v1::FeatureField& field = response.schema().fields(c);
    std::vector<uint32_t> views = {field.view()};
    if (field.derived()) views.assign(field.derived_from().begin(), field.derived_from().end());
    for (const uint32_t view : views) {
      if (view >= answer.views.size()) return Malformed("the view of column " + field.name());
    }
    answer.features.push_back({field.name(), std::move(views)});
    const size_t sent = column.broadcast() ? 1 : answer.rows.size();
    const auto type = ParseTypeText(field.type());
    const auto values = ColumnValues::Of(column, type ? type->type : Type::kString, sent);
    if (!values) {
      return Malformed(fmt::format("column {} does not hold {} values of type {}", field.name(),
                                   sent, field.type()));
    }
    const bool statuses = !response.statuses().empty();
    const bool degraded = !response.degraded().empty();
    if (statuses && response.statuses().size() < before + sent) return Malformed("statuses");
    if (degraded && response.degraded().size() < before + sent) return Malformed("degraded");
    for (size_t row = 0; row < answer.rows.size(); ++row) {
      const size_t at = column.broadcast() ? 0 : row;
      AnswerCell& cell = answer.rows[row].cells.emplace_back();
      const auto status =
          statuses ? static_cast<uint8_t>(response.statuses()[before + at]) : uint8_t{v1::PRESENT};
      cell.status = StatusName(status);
      cell.degraded = degraded && response.degraded()[before + at] != 0;
      if (HasValue(static_cast<CellStatus>(status), field.has_default()))
        cell.value = values->At(at);
    }
    before += sent;
  }
  return OkStatus();
}

// The newest of what it is computed of.
std::optional<Timestamp> EventTime(const FeatureAnswer::Feature& feature, const AnswerRow& row) {
  std::optional<Timestamp> newest;
  for (const uint32_t view : feature.views) newest = std::max(newest, row.event_times[view]);
  return newest;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// --- tables -----------------------------------------------------------------------------------------------------

// Characters of a value that a table shows: a list of thousands would push every other column off the screen.
constexpr size_t kMaxCellWidth = 60;

std::string Cut(std::string text) {
  size_t width = 0;
  size_t kept = 0;  // bytes of all but the last character that has room
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
    if (width == kMaxCellWidth - 1) kept = i;
    if (++width > kMaxCellWidth) return text.substr(0, kept) + "…";
  }
  return text;
}

std::string Plain(const Json& value) {
  if (value.is_null()) return "–";
  if (!value.is_string()) return Cut(Dump(value));
  // Quoted as JSON would, without the quotes: stored text may hold what a terminal obeys.
  const std::string quoted = Dump(value);
  return Cut(quoted.substr(1, quoted.size() - 2));
}

size_t WidthOf(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string Align(const std::vector<std::vector<std::string>>& lines) {
  std::vector<size_t> widths(lines.front().size());
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], WidthOf(line[i]));
  }
  std::string text;
  const auto append = [&](const std::vector<std::string>& line) {
    std::string out;
    for (size_t i = 0; i < line.size(); ++i) {
      out += line[i];
      if (i + 1 < line.size()) out.append(widths[i] - WidthOf(line[i]) + 2, ' ');
    }
    text += out + "\n";
  };
  append(lines.front());
  std::vector<std::string> rule;
  for (const size_t width : widths) {
    std::string dashes;
    for (size_t i = 0; i < width; ++i) dashes += "─";
    rule.push_back(dashes);
  }
  append(rule);
  for (size_t i = 1; i < lines.size(); ++i) append(lines[i]);
  return text;
}

std::string TimeText(const std::optional<Timestamp>& time) {
  return time.has_value() ? FormatTimestamp(*time) : "–";
}

std::string Heading(const FeatureAnswer& answer) {
  std::string text = "evaluated at " + FormatTimestamp(answer.evaluated_at);
  for (const FeatureAnswer::View& view : answer.views) {
    text += fmt::format("; {}: watermark {}", view.name, TimeText(view.watermark));
    if (view.complete_since.has_value())
      text += ", complete since " + FormatTimestamp(*view.complete_since);
  }
  return text + "\n";
}

std::string OneRowTable(const FeatureAnswer& answer) {
  const AnswerRow& row = answer.rows.front();
  std::vector<std::vector<std::string>> lines = {{"feature", "value", "status", "event time"}};
  for (size_t i = 0; i < answer.features.size(); ++i) {
    const AnswerCell& cell = row.cells[i];
    lines.push_back({answer.features[i].name, Plain(cell.value),
                     cell.status + (cell.degraded ? " (degraded)" : ""),
                     TimeText(EventTime(answer.features[i], row))});
  }
  return Align(lines);
}

std::string ManyRowsTable(const FeatureAnswer& answer, std::span<const RequestKey> keys,
                          std::span<const RequestRow> asked) {
  const bool timed = std::any_of(asked.begin(), asked.end(),
                                 [](const RequestRow& row) { return row.as_of_us.has_value(); });
  std::vector<std::vector<std::string>> lines(1);
  for (const RequestKey& key : keys) lines[0].push_back(key.name);
  if (timed) lines[0].push_back("as of");
  for (const FeatureAnswer::Feature& feature : answer.features) lines[0].push_back(feature.name);
  for (size_t r = 0; r < answer.rows.size(); ++r) {
    auto& line = lines.emplace_back();
    for (const Json& key : asked[r].keys) line.push_back(Plain(key));
    if (timed)
      line.push_back(asked[r].as_of_us.has_value() ? FormatTimestamp({*asked[r].as_of_us}) : "–");
    for (const AnswerCell& cell : answer.rows[r].cells) {
      std::string text = cell.value.is_null() ? cell.status : Plain(cell.value);
      if (!cell.value.is_null() && cell.status != "PRESENT") text += " " + cell.status;
      line.push_back(text + (cell.degraded ? " (degraded)" : ""));
    }
  }
  return Align(lines);
}

}  // namespace

StatusOr<FeatureAnswer> DecodeAnswer(const v1::GetFeaturesResponse& response) {
  FeatureAnswer answer;
  answer.evaluated_at = {response.evaluated_at_us()};
  if (response.schema().fields_size() != response.columns_size()) return Malformed("the schema");
  answer.rows.resize(response.num_rows());
  RETURN_IF_ERROR(DecodeViews(response, answer));
  RETURN_IF_ERROR(DecodeColumns(response, answer));
  return answer;
}

std::string RowAsJson(const FeatureAnswer& answer, size_t row, std::span<const RequestKey> keys,
                      const RequestRow& asked) {
  const AnswerRow& answered = answer.rows[row];
  // One object after the other: Json keeps the order of insertion, and an insertion moves what stands in it already.
  Json key_values = Json::object();
  // As LAYOUT_ROWS: an answer does not repeat inputs.
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!keys[i].is_input) key_values[keys[i].name] = asked.keys[i];
  }
  Json values = Json::object();
  Json statuses = Json::object();
  Json degraded = Json::array();
  Json times = Json::object();
  for (size_t i = 0; i < answer.features.size(); ++i) {
    const std::string& name = answer.features[i].name;
    const auto time = EventTime(answer.features[i], answered);
    values[name] = answered.cells[i].value;
    statuses[name] = answered.cells[i].status;
    times[name] = time.has_value() ? Json(FormatTimestamp(*time)) : Json(nullptr);
    if (answered.cells[i].degraded) degraded.push_back(name);
  }
  Json line = {{"keys", std::move(key_values)},
               {"features", std::move(values)},
               {"statuses", std::move(statuses)},
               {"event_times", std::move(times)}};
  if (!degraded.empty()) line["degraded"] = std::move(degraded);
  return Dump(line);
}

std::string AnswerAsTable(const FeatureAnswer& answer, std::span<const RequestKey> keys,
                          std::span<const RequestRow> asked) {
  if (answer.rows.empty()) return "no rows\n";
  std::string table =
      answer.rows.size() == 1 ? OneRowTable(answer) : ManyRowsTable(answer, keys, asked);
  const bool cut = std::any_of(answer.rows.begin(), answer.rows.end(), [](const AnswerRow& row) {
    return std::any_of(row.cells.begin(), row.cells.end(),
                       [](const AnswerCell& cell) { return Plain(cell.value).ends_with("…"); });
  });
  if (cut) table += "values that end in … are longer: --output json prints them whole\n";
  return Heading(answer) + table;
}

}  // namespace freshet
