#include "featurestore/serve/request.h"

#include <algorithm>
#include <cstring>

#include "featurestore/base/nearest.h"

namespace freshet {
namespace {

using Form = RequestColumn::Form;

template <typename T>
T LoadLe(std::string_view bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

std::string At(size_t column) { return fmt::format("keys[{}]", column); }

const char* Accepted(Type type) {
  switch (type) {
    case Type::kString:
    case Type::kBytes:
      return "strings or text";
    case Type::kInt64:
      return "int64s or int64_le";
    case Type::kTimestamp:
      return "timestamp_us_le, or strings with RFC 3339";
    case Type::kBool:
      return "bool_u8";
    default:
      return "nothing";
  }
}

bool Accepts(Type type, Form form) {
  switch (type) {
    case Type::kString:
    case Type::kBytes:
      return form == Form::kStrings || form == Form::kText;
    case Type::kInt64:
      return form == Form::kInt64;
    case Type::kTimestamp:
      return form == Form::kTimestamp || form == Form::kStrings;
    case Type::kBool:
      return form == Form::kBool;
    default:
      return false;
  }
}

// The bytes of a column are whole values, and its text lies within its bytes.
Outcome CheckBytes(const RequestColumn& column, size_t index) {
  const auto wrong = [&](std::string description) {
    return BadField("WRONG_TYPE", At(index), std::move(description),
                    {{"key", std::string(column.name)}});
  };
  if ((column.form == Form::kInt64 || column.form == Form::kTimestamp) &&
      column.packed.size() % 8 != 0) {
    return wrong(fmt::format("{} has {} bytes, which are no multiple of 8", column.wire_name,
                             column.packed.size()));
  }
  if (column.form == Form::kText) {
    if (column.size() == 0 && !column.packed.empty()) {
      return wrong(fmt::format(
          "column {} has {} bytes of text.data and no value in text.offsets; send n + 1 "
          "offsets for n values",
          QuotedName(column.name), column.packed.size()));
    }
    if (column.offsets.size() % 4 != 0) {
      return wrong(fmt::format("text.offsets has {} bytes, which are no multiple of 4",
                               column.offsets.size()));
    }
    uint32_t before = 0;
    for (size_t i = 0; i < column.offsets.size() / 4; ++i) {
      const auto offset = LoadLe<uint32_t>(column.offsets, i);
      if (offset < before || offset > column.packed.size() || (i == 0 && offset != 0)) {
        return wrong(
            fmt::format("text.offsets[{}] is {}: offsets begin at 0, never fall and end within "
                        "text.data ({} bytes)",
                        i, offset, column.packed.size()));
      }
      before = offset;
    }
  }
  if (!column.nulls.empty() && column.nulls.size() != column.size()) {
    return BadField("RAGGED_COLUMNS", At(index),
                    fmt::format("nulls has {} bytes for {} values; send one byte a value, or none",
                                column.nulls.size(), column.size()),
                    {{"key", std::string(column.name)}});
  }
  return std::nullopt;
}

Outcome CheckTimes(const RequestColumn& column, size_t index) {
  for (size_t i = 0; i < column.size(); ++i) {
    if (!column.nulls.empty() && column.nulls[i] != 0) continue;
    if (column.form == Form::kStrings && !ParseTimestamp(*column.strings[i])) {
      return BadField("WRONG_TYPE", fmt::format("{}.strings.values[{}]", At(index), i),
                      fmt::format("{} is not a time; write 2013-01-01T10:15:00Z",
                                  QuotedName(*column.strings[i])),
                      {{"key", std::string(column.name)}});
    }
  }
  return std::nullopt;
}

std::vector<std::string> KeyNames(const Plan& plan) {
  std::vector<std::string> names;
  for (const PlanKey& key : plan.keys) {
    if (std::find(names.begin(), names.end(), key.name) == names.end()) names.push_back(key.name);
  }
  return names;
}

std::string Selection(const Plan& plan) {
  return plan.service.empty() ? "this list of features"
                              : fmt::format("feature service {}", plan.service);
}

// Nulls have no type, and neither has an empty list: clients need not know the key's to send them.
bool HoldsNoValue(const RequestColumn& column) {
  return column.form != Form::kNone && column.nulls.size() == column.size() &&
         std::all_of(column.nulls.begin(), column.nulls.end(), [](char null) { return null != 0; });
}

Outcome BindNames(const Plan& plan, std::span<const RequestColumn> keys, BoundKeys& bound) {
  bound.columns.assign(plan.keys.size(), nullptr);
  for (size_t c = 0; c < keys.size(); ++c) {
    const RequestColumn& column = keys[c];
    bool known = false;
    for (size_t k = 0; k < plan.keys.size(); ++k) {
      const PlanKey& key = plan.keys[k];
      if (key.name != column.name) continue;
      known = true;
      if (bound.columns[k] != nullptr) {
        return BadField("DUPLICATE_KEY", At(c), fmt::format("key {} is given twice", key.name),
                        {{"key", key.name}});
      }
      if (!Accepts(key.type, column.form) && !HoldsNoValue(column)) {
        return BadField(
            "WRONG_TYPE", At(c),
            fmt::format("key {} is {}: send {}, not {}", key.name, TypeName(key.type),
                        Accepted(key.type),
                        column.form == Form::kNone ? "a column without values" : column.wire_name),
            {{"key", key.name}, {"type", std::string(TypeName(key.type))}});
      }
      bound.columns[k] = &column;
    }
    if (!known) {
      const auto names = KeyNames(plan);
      std::vector<std::pair<std::string, std::string>> metadata = {
          {"key", std::string(column.name)}};
      if (auto nearest = NearestName(column.name, names))
        metadata.emplace_back("nearest", *nearest);
      return BadField("UNKNOWN_KEY", At(c),
                      fmt::format("{} has no key {}{}", Selection(plan), QuotedName(column.name),
                                  Suggestion(column.name, names)),
                      std::move(metadata));
    }
  }
  std::string missing;
  for (size_t k = 0; k < plan.keys.size(); ++k) {
    if (bound.columns[k] == nullptr) missing += (missing.empty() ? "" : ", ") + plan.keys[k].name;
  }
  if (missing.empty()) return std::nullopt;
  return BadField("MISSING_KEY", "keys", fmt::format("{} needs key {}", Selection(plan), missing),
                  {{"key", missing}});
}

ServeError Ragged(const std::string& field, std::string_view name, size_t length, size_t num_rows) {
  return BadField("RAGGED_COLUMNS", field,
                  fmt::format("{} has {} values beside columns of {}; send {} or one for every row",
                              name, length, num_rows, num_rows),
                  {{"length", fmt::format("{}", length)}, {"rows", fmt::format("{}", num_rows)}});
}

Outcome CheckLengths(const FeatureRequest& request, size_t max_rows, BoundKeys& bound) {
  size_t greatest = request.as_of_us.size();
  for (const RequestColumn& column : request.keys) greatest = std::max(greatest, column.size());
  for (size_t c = 0; c < request.keys.size(); ++c) {
    const RequestColumn& column = request.keys[c];
    if (column.broadcast && column.size() != 1) {
      return BadField("RAGGED_COLUMNS", At(c),
                      fmt::format("{} says broadcast and has {} values; a broadcast column has one",
                                  QuotedName(column.name), column.size()));
    }
    if (column.size() != greatest && column.size() != 1) {
      return Ragged(At(c), QuotedName(column.name), column.size(), greatest);
    }
  }
  const size_t times = request.as_of_us.size();
  if (times > 1 && times != greatest) return Ragged("as_of_us", "as_of_us", times, greatest);
  if (greatest > max_rows) {
    return BadField(
        "TOO_MANY_ROWS", "keys",
        fmt::format("{} rows are more than server.max_rows: {}; send several requests", greatest,
                    max_rows),
        {{"rows", fmt::format("{}", greatest)}, {"max_rows", fmt::format("{}", max_rows)}});
  }
  for (size_t i = 0; i < times; ++i) {
    const Timestamp t{request.as_of_us[i]};
    if (t < kMinEventTime || t > kMaxEventTime) {
      return BadField(
          "BAD_TIME", fmt::format("as_of_us[{}]", i),
          fmt::format("{} is beyond the years 1 to 9999; send microseconds since 1970", t.us));
    }
  }
  bound.num_rows = greatest;
  return std::nullopt;
}

}  // namespace

size_t RequestColumn::size() const {
  switch (form) {
    case Form::kNone:
      return 0;
    case Form::kStrings:
      return strings.size();
    case Form::kInt64:
    case Form::kTimestamp:
      return packed.size() / 8;
    case Form::kText:
      return offsets.size() < 4 ? 0 : offsets.size() / 4 - 1;
    case Form::kBool:
    case Form::kOther:
      return packed.size();
  }
  return 0;
}

Value BoundKeys::value(const Plan& plan, uint32_t key, size_t row) const {
  const RequestColumn& column = *columns[key];
  const size_t i = one_value(key) ? 0 : row;
  if (!column.nulls.empty() && column.nulls[i] != 0) return {};
  switch (column.form) {
    case Form::kStrings:
      if (plan.keys[key].type == Type::kTimestamp)
        return Value::Time(*ParseTimestamp(*column.strings[i]));
      return Value::Text(*column.strings[i]);
    case Form::kInt64:
      return Value::Int64(LoadLe<int64_t>(column.packed, i));
    case Form::kTimestamp:
      return Value::Time({LoadLe<int64_t>(column.packed, i)});
    case Form::kBool:
      return Value::Bool(column.packed[i] != 0);
    case Form::kText: {
      const auto begin = LoadLe<uint32_t>(column.offsets, i);
      return Value::Text(
          column.packed.substr(begin, LoadLe<uint32_t>(column.offsets, i + 1) - begin));
    }
    default:
      return {};
  }
}

Outcome BindKeys(const Plan& plan, const FeatureRequest& request, size_t max_rows,
                 BoundKeys& bound) {
  if (auto error = BindNames(plan, request.keys, bound)) return error;
  for (size_t c = 0; c < request.keys.size(); ++c) {
    if (auto error = CheckBytes(request.keys[c], c)) return error;
  }
  if (auto error = CheckLengths(request, max_rows, bound)) return error;
  for (size_t k = 0; k < plan.keys.size(); ++k) {
    if (plan.keys[k].type != Type::kTimestamp) continue;
    const auto index = static_cast<size_t>(bound.columns[k] - request.keys.data());
    if (auto error = CheckTimes(*bound.columns[k], index)) return error;
  }
  return std::nullopt;
}

}  // namespace freshet
