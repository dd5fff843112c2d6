#include "featurestore/serve/request.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "featurestore/base/nearest.h"
#include "featurestore/expr/literal.h"
#include "featurestore/model/type_text.h"
#include "featurestore/serve/packed_column.h"

namespace freshet {
namespace {

using Form = RequestColumn::Form;

// What the two kinds of columns are called, in messages and reasons.
struct ColumnKind {
  const char* noun;    // key
  const char* field;   // keys
  const char* reason;  // KEY
  bool is_key;
};
constexpr ColumnKind kKey{"key", "keys", "KEY", true};
constexpr ColumnKind kInput{"input", "inputs", "INPUT", false};

std::string At(const ColumnKind& kind, size_t column) {
  return fmt::format("{}[{}]", kind.field, column);
}

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
    case Type::kDouble:
    case Type::kFloat:
      return "double_le, float_le, int64s or int64_le";
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
    case Type::kDouble:
    case Type::kFloat:
      return form == Form::kDouble || form == Form::kFloat || form == Form::kInt64;
    default:
      return false;
  }
}

size_t BytesOfOne(Form form) {
  switch (form) {
    case Form::kInt64:
    case Form::kTimestamp:
    case Form::kDouble:
      return 8;
    case Form::kFloat:
      return 4;
    default:
      return 1;
  }
}

// The bytes of a column are whole values, and its text lies within its bytes.
Outcome CheckBytes(const ColumnKind& kind, const RequestColumn& column, size_t index) {
  const auto wrong = [&](std::string description) {
    return BadField("WRONG_TYPE", At(kind, index), std::move(description),
                    {{kind.noun, std::string(column.name)}});
  };
  if (const size_t width = BytesOfOne(column.form); column.packed.size() % width != 0) {
    return wrong(fmt::format("{} has {} bytes, which are no multiple of {}", column.wire_name,
                             column.packed.size(), width));
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
    return BadField("RAGGED_COLUMNS", At(kind, index),
                    fmt::format("nulls has {} bytes for {} values; send one byte a value, or none",
                                column.nulls.size(), column.size()),
                    {{kind.noun, std::string(column.name)}});
  }
  return std::nullopt;
}

Outcome CheckTimes(const ColumnKind& kind, const RequestColumn& column, size_t index) {
  for (size_t i = 0; i < column.size(); ++i) {
    if (!column.nulls.empty() && column.nulls[i] != 0) continue;
    if (column.form == Form::kStrings && !ParseTimestamp(*column.strings[i])) {
      return BadField("WRONG_TYPE", fmt::format("{}.strings.values[{}]", At(kind, index), i),
                      fmt::format("{} is not a time; write 2013-01-01T10:15:00Z",
                                  QuotedName(*column.strings[i])),
                      {{kind.noun, std::string(column.name)}});
    }
  }
  return std::nullopt;
}

// What a stored event could not hold either: it would break what is computed of it.
Outcome CheckInputValues(const PlanKey& input, const RequestColumn& column, size_t index) {
  for (size_t i = 0; i < column.size(); ++i) {
    if (!column.nulls.empty() && column.nulls[i] != 0) continue;
    if (column.form == Form::kTimestamp) {
      const Timestamp t{LoadLe<int64_t>(column.packed, i)};
      if (t >= kMinEventTime && t <= kMaxEventTime) continue;
      return BadField("BAD_TIME", fmt::format("{}.timestamp_us_le[{}]", At(kInput, index), i),
                      fmt::format("input {}: {} is beyond the years 1 to 9999; send microseconds "
                                  "since 1970",
                                  input.name, t.us),
                      {{"input", input.name}});
    }
    double number = 0;
    if (column.form == Form::kDouble) number = LoadLe<double>(column.packed, i);
    if (column.form == Form::kFloat) number = LoadLe<float>(column.packed, i);
    if (input.type == Type::kFloat && std::abs(number) > std::numeric_limits<float>::max()) {
      number = std::numeric_limits<double>::infinity();
    }
    if (!std::isinf(number)) continue;
    return BadField("WRONG_TYPE", fmt::format("{}.{}[{}]", At(kInput, index), column.wire_name, i),
                    fmt::format("input {} is infinite, or too large for {}; send a number, or "
                                "null",
                                input.name, WithArticle(input.type)),
                    {{"input", input.name}, {"type", std::string(TypeName(input.type))}});
  }
  return std::nullopt;
}

std::vector<std::string> NamesOf(std::span<const PlanKey> keys) {
  std::vector<std::string> names;
  for (const PlanKey& key : keys) {
    if (std::find(names.begin(), names.end(), key.name) == names.end()) names.push_back(key.name);
  }
  return names;
}

bool IsNameOf(std::span<const PlanKey> keys, std::string_view name) {
  return std::any_of(keys.begin(), keys.end(), [&](const PlanKey& k) { return k.name == name; });
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

ServeError UnknownColumn(const ColumnKind& kind, const Plan& plan, const RequestColumn& column,
                         size_t index) {
  const std::vector<std::string> names = NamesOf(kind.is_key ? plan.keys : plan.inputs);
  std::vector<std::pair<std::string, std::string>> metadata = {
      {kind.noun, std::string(column.name)}};
  if (auto nearest = NearestName(column.name, names)) metadata.emplace_back("nearest", *nearest);
  std::string hint = Suggestion(column.name, names);
  if (IsNameOf(kind.is_key ? plan.inputs : plan.keys, column.name)) {
    hint = kind.is_key ? "; it is an input: send it in inputs" : "; it is a key: send it in keys";
  } else if (names.empty()) {
    hint = "; it takes none";
  }
  return BadField(
      fmt::format("UNKNOWN_{}", kind.reason), At(kind, index),
      fmt::format("{} has no {} {}{}", Selection(plan), kind.noun, QuotedName(column.name), hint),
      std::move(metadata));
}

Outcome BindNames(const ColumnKind& kind, const Plan& plan, std::span<const PlanKey> wanted,
                  std::span<const RequestColumn> given, std::vector<const RequestColumn*>& bound) {
  bound.assign(wanted.size(), nullptr);
  for (size_t c = 0; c < given.size(); ++c) {
    const RequestColumn& column = given[c];
    bool known = false;
    for (size_t k = 0; k < wanted.size(); ++k) {
      const PlanKey& key = wanted[k];
      if (key.name != column.name) continue;
      known = true;
      if (bound[k] != nullptr) {
        return BadField(fmt::format("DUPLICATE_{}", kind.reason), At(kind, c),
                        fmt::format("{} {} is given twice", kind.noun, key.name),
                        {{kind.noun, key.name}});
      }
      if (!Accepts(key.type, column.form) && !HoldsNoValue(column)) {
        return BadField(
            "WRONG_TYPE", At(kind, c),
            fmt::format("{} {} is {}: send {}, not {}", kind.noun, key.name, TypeName(key.type),
                        Accepted(key.type),
                        column.form == Form::kNone ? "a column without values" : column.wire_name),
            {{kind.noun, key.name}, {"type", std::string(TypeName(key.type))}});
      }
      bound[k] = &column;
    }
    if (!known) return UnknownColumn(kind, plan, column, c);
  }
  std::string missing;
  for (size_t k = 0; k < wanted.size(); ++k) {
    if (bound[k] == nullptr) missing += (missing.empty() ? "" : ", ") + wanted[k].name;
  }
  if (missing.empty()) return std::nullopt;
  return BadField(fmt::format("MISSING_{}", kind.reason), kind.field,
                  fmt::format("{} needs {} {}{}", Selection(plan), kind.noun, missing,
                              kind.is_key ? "" : "; send null where there is none"),
                  {{kind.noun, missing}});
}

ServeError Ragged(const std::string& field, std::string_view name, size_t length, size_t num_rows) {
  return BadField("RAGGED_COLUMNS", field,
                  fmt::format("{} has {} values beside columns of {}; send {} or one for every row",
                              name, length, num_rows, num_rows),
                  {{"length", fmt::format("{}", length)}, {"rows", fmt::format("{}", num_rows)}});
}

Outcome CheckLength(const ColumnKind& kind, std::span<const RequestColumn> columns,
                    size_t greatest) {
  for (size_t c = 0; c < columns.size(); ++c) {
    const RequestColumn& column = columns[c];
    if (column.broadcast && column.size() != 1) {
      return BadField("RAGGED_COLUMNS", At(kind, c),
                      fmt::format("{} says broadcast and has {} values; a broadcast column has one",
                                  QuotedName(column.name), column.size()));
    }
    if (column.size() != greatest && column.size() != 1) {
      return Ragged(At(kind, c), QuotedName(column.name), column.size(), greatest);
    }
  }
  return std::nullopt;
}

Outcome CheckLengths(const FeatureRequest& request, size_t max_rows, BoundKeys& bound) {
  size_t greatest = request.as_of_us.size();
  for (const RequestColumn& column : request.keys) greatest = std::max(greatest, column.size());
  for (const RequestColumn& column : request.inputs) greatest = std::max(greatest, column.size());
  if (auto error = CheckLength(kKey, request.keys, greatest)) return error;
  if (auto error = CheckLength(kInput, request.inputs, greatest)) return error;
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
    case Form::kDouble:
      return packed.size() / 8;
    case Form::kFloat:
      return packed.size() / 4;
    case Form::kText:
      return offsets.size() < 4 ? 0 : offsets.size() / 4 - 1;
    case Form::kBool:
    case Form::kOther:
      return packed.size();
  }
  return 0;
}

namespace {

// A NaN is no value, as in answers.
Value NumberValue(Type type, double number) {
  if (std::isnan(number)) return {};
  // As a float field is decoded.
  return Value::Double(type == Type::kFloat ? static_cast<double>(static_cast<float>(number))
                                            : number);
}

Value ValueAt(const RequestColumn& column, Type type, size_t i) {
  if (!column.nulls.empty() && column.nulls[i] != 0) return {};
  switch (column.form) {
    case Form::kStrings:
      if (type == Type::kTimestamp) return Value::Time(*ParseTimestamp(*column.strings[i]));
      return Value::Text(*column.strings[i]);
    case Form::kInt64: {
      const auto number = LoadLe<int64_t>(column.packed, i);
      return type == Type::kInt64 ? Value::Int64(number)
                                  : NumberValue(type, static_cast<double>(number));
    }
    case Form::kTimestamp:
      return Value::Time({LoadLe<int64_t>(column.packed, i)});
    case Form::kDouble:
      return NumberValue(type, LoadLe<double>(column.packed, i));
    case Form::kFloat:
      return NumberValue(type, LoadLe<float>(column.packed, i));
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

}  // namespace

Value BoundKeys::value(const Plan& plan, uint32_t key, size_t row) const {
  return ValueAt(*columns[key], plan.keys[key].type, one_value(key) ? 0 : row);
}

Value BoundKeys::input(const Plan& plan, uint32_t input, size_t row) const {
  return ValueAt(*inputs[input], plan.inputs[input].type, one_input(input) ? 0 : row);
}

namespace {

// The field of the request's own event that a sent id is for.
Outcome FindEventIdField(const Plan& plan, const Field*& field) {
  const auto refused = [](const std::string& why) {
    return BadField("BAD_EVENT_ID", "event_id", why + ", or leave event_id out");
  };
  if (!plan.event) {
    return refused(fmt::format(
        "{} counts no event of the request; ask a service that says count_request",
        plan.service.empty() ? "a list of features" : "feature service " + plan.service));
  }
  const Source& source = *plan.event->source;
  if (!source.dedup) {
    return refused(
        fmt::format("source {} has no dedup, so that no event is known by its id; declare "
                    "dedup: {{ by: [FIELD], within: 1h }}",
                    source.name));
  }
  const std::vector<uint32_t>& by = source.dedup->by;
  field = &source.fields[by.front()];
  const bool given = std::any_of(
      plan.event->given.begin(), plan.event->given.end(),
      [&](const auto& one) { return std::find(by.begin(), by.end(), one.field) != by.end(); });
  if (by.size() == 1 && !given && field->expression.empty()) return std::nullopt;
  std::string names;
  for (const uint32_t one : by) names += (names.empty() ? "" : ", ") + source.fields[one].name;
  const char* why = given ? "which the keys and inputs of the request give already; send it there"
                    : by.size() > 1
                        ? "which are several fields; take them as inputs of the service"
                        : "which it derives; take what it is derived of as inputs of the service";
  return refused(fmt::format("source {} knows events by {}, {}", source.name, names, why));
}

Outcome BindEventId(const Plan& plan, std::string_view id, Value& bound) {
  bound = Value();
  if (id.empty()) return std::nullopt;
  const Field* field = nullptr;
  if (auto error = FindEventIdField(plan, field)) return error;
  if (IsText(field->type)) {
    bound = Value::Text(id);
  } else if (field->type == Type::kInt64) {
    if (const auto number = expr::ParseInt64(id)) bound = Value::Int64(*number);
  } else if (field->type == Type::kTimestamp) {
    if (const auto time = ParseTimestamp(id)) bound = Value::Time(*time);
  } else if (id == "true" || id == "false") {
    bound = Value::Bool(id == "true");
  }
  if (!bound.is_null()) return std::nullopt;
  return BadField("BAD_EVENT_ID", "event_id",
                  fmt::format("{} is no {}, which field {} of source {} is", QuotedName(id),
                              TypeName(field->type), field->name, plan.event->source->name));
}

}  // namespace

Outcome BindKeys(const Plan& plan, const FeatureRequest& request, size_t max_rows,
                 BoundKeys& bound) {
  if (auto error = BindNames(kKey, plan, plan.keys, request.keys, bound.columns)) return error;
  if (auto error = BindNames(kInput, plan, plan.inputs, request.inputs, bound.inputs)) return error;
  for (size_t c = 0; c < request.keys.size(); ++c) {
    if (auto error = CheckBytes(kKey, request.keys[c], c)) return error;
  }
  for (size_t c = 0; c < request.inputs.size(); ++c) {
    if (auto error = CheckBytes(kInput, request.inputs[c], c)) return error;
  }
  if (auto error = CheckLengths(request, max_rows, bound)) return error;
  for (size_t k = 0; k < plan.keys.size(); ++k) {
    if (plan.keys[k].type != Type::kTimestamp) continue;
    const auto index = static_cast<size_t>(bound.columns[k] - request.keys.data());
    if (auto error = CheckTimes(kKey, *bound.columns[k], index)) return error;
  }
  for (size_t k = 0; k < plan.inputs.size(); ++k) {
    const auto index = static_cast<size_t>(bound.inputs[k] - request.inputs.data());
    const Type type = plan.inputs[k].type;
    if (type == Type::kTimestamp) {
      if (auto error = CheckTimes(kInput, *bound.inputs[k], index)) return error;
    }
    if (type == Type::kTimestamp || IsNumeric(type)) {
      if (auto error = CheckInputValues(plan.inputs[k], *bound.inputs[k], index)) return error;
    }
  }
  return BindEventId(plan, request.event_id, bound.event_id);
}

}  // namespace freshet
