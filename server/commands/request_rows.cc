#include "server/commands/request_rows.h"

#include <absl/strings/escaping.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "featurestore/base/nearest.h"
#include "featurestore/base/time.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kAsOf = "as_of";
// The same where a key or an input is named as_of: what no declared name can be.
constexpr std::string_view kAsOfFlag = "--as-of";
constexpr std::string_view kNull = ":null";  // card:null, which no text of card=… can mean

std::vector<std::string> NamesOf(std::span<const RequestKey> keys) {
  std::vector<std::string> names;
  for (const RequestKey& key : keys) names.push_back(key.name);
  return names;
}

bool HasInputs(std::span<const RequestKey> keys) {
  return std::any_of(keys.begin(), keys.end(), [](const RequestKey& key) { return key.is_input; });
}

std::string Joined(std::span<const std::string> names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

std::optional<int64_t> ParseInt64(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

std::optional<double> ParseDouble(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number))
    return std::nullopt;
  return number;
}

bool IsBase64(const std::string& text) {
  std::string bytes;
  return absl::Base64Unescape(text, &bytes);
}

Status WrongType(const std::string& place, const RequestKey& key, std::string_view got,
                 std::string_view wanted) {
  return InvalidArgument("{}: {} {} is {}, and {} is not one; write {}", place, key.noun(),
                         key.name, TypeName(key.type), got, wanted);
}

// As JSON holds a key of this type: numbers as numbers, times as RFC 3339.
StatusOr<Json> KeyFromText(const std::string& place, const RequestKey& key,
                           const std::string& text) {
  switch (key.type) {
    case Type::kInt64:
      if (const auto number = ParseInt64(text)) return Json(*number);
      return WrongType(place, key, '"' + text + '"', key.name + "=42");
    case Type::kBool:
      if (text == "true" || text == "false") return Json(text == "true");
      return WrongType(place, key, '"' + text + '"', key.name + "=true or " + key.name + "=false");
    case Type::kTimestamp:
      if (const auto time = ParseTimestamp(text)) return Json(FormatTimestamp(*time));
      return WrongType(place, key, '"' + text + '"', key.name + "=2013-01-01T10:15:00Z");
    case Type::kBytes:
      if (IsBase64(text)) return Json(text);
      return WrongType(place, key, '"' + text + '"', "base64");
    case Type::kDouble:
    case Type::kFloat:
      if (const auto number = ParseDouble(text)) return Json(*number);
      return WrongType(place, key, '"' + text + '"', key.name + "=12.5");
    default:
      return Json(text);
  }
}

StatusOr<Json> KeyFromJson(const std::string& place, const RequestKey& key, const Json& member) {
  if (member.is_null()) return member;
  switch (key.type) {
    case Type::kInt64: {
      const bool fits =
          member.is_number_integer() &&
          (!member.is_number_unsigned() ||
           member.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
      if (fits) return Json(member.get<int64_t>());
      return WrongType(place, key, member.dump(), "a whole number: 42");
    }
    case Type::kBool:
      if (member.is_boolean()) return member;
      return WrongType(place, key, member.dump(), "true or false");
    case Type::kDouble:
    case Type::kFloat:
      if (member.is_number()) return Json(member.get<double>());
      return WrongType(place, key, member.dump(), "a number: 12.5");
    default:
      if (member.is_string()) return KeyFromText(place, key, member.get<std::string>());
      return WrongType(place, key, member.dump(), "text in quotes");
  }
}

StatusOr<int64_t> AsOfFromJson(const std::string& place, const Json& member) {
  if (member.is_number_integer()) return member.get<int64_t>();
  if (member.is_string()) {
    if (auto time = ParseAsOf(member.get<std::string>()); time.ok()) return time;
  }
  return InvalidArgument(
      "{}: as_of {} is no time; write \"2013-01-01T10:15:00Z\", or microseconds since 1970", place,
      member.dump());
}

StatusOr<RequestRow> RowFromJson(const std::string& service, std::span<const RequestKey> keys,
                                 const std::string& place, const Json& object) {
  RequestRow row;
  row.keys.resize(keys.size());
  std::vector<bool> given(keys.size());
  for (const auto& [name, member] : object.items()) {
    const auto key = std::find_if(keys.begin(), keys.end(),
                                  [&asked = name](const RequestKey& k) { return k.name == asked; });
    if (key != keys.end()) {
      const auto index = static_cast<size_t>(key - keys.begin());
      ASSIGN_OR_RETURN(row.keys[index], KeyFromJson(place, *key, member));
      given[index] = true;
    } else if (name == kAsOf || name == kAsOfFlag) {
      ASSIGN_OR_RETURN(row.as_of_us, AsOfFromJson(place, member));
    } else {
      return InvalidArgument("{}: \"{}\" is not {} of service {}{}", place, name,
                             HasInputs(keys) ? "a key or an input" : "a key", service,
                             Suggestion(name, NamesOf(keys)));
    }
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!given[i])
      return InvalidArgument("{}: {} {} is missing (null where there is {})", place, keys[i].noun(),
                             keys[i].name, keys[i].is_input ? "none" : "no entity");
  }
  return row;
}

int64_t Int64Of(const RequestKey& key, const Json& value) {
  return key.type == Type::kTimestamp ? ParseTimestamp(value.get<std::string>())->us
                                      : value.get<int64_t>();
}

std::string BytesOf(const RequestKey& key, const Json& value) {
  const auto& text = value.get_ref<const std::string&>();
  if (key.type != Type::kBytes) return text;
  std::string bytes;
  absl::Base64Unescape(text, &bytes);
  return bytes;
}

template <typename Number>
void AppendLittleEndian(std::string& out, Number number) {
  char bytes[sizeof(Number)];
  std::memcpy(bytes, &number, sizeof(Number));
  out.append(bytes, sizeof(Number));
}

void FillColumn(const RequestKey& key, size_t index, std::span<const RequestRow> rows,
                v1::Column& column) {
  column.set_name(key.name);
  std::string packed;
  std::string offsets;
  std::string nulls;
  bool any_null = false;
  AppendLittleEndian<uint32_t>(offsets, 0);
  for (const RequestRow& row : rows) {
    const Json& value = row.keys[index];
    const bool null = value.is_null();
    any_null = any_null || null;
    nulls.push_back(null ? 1 : 0);
    if (key.type == Type::kInt64 || key.type == Type::kTimestamp) {
      AppendLittleEndian<int64_t>(packed, null ? 0 : Int64Of(key, value));
    } else if (IsNumeric(key.type)) {
      AppendLittleEndian<double>(packed, null ? 0 : value.get<double>());
    } else if (key.type == Type::kBool) {
      packed.push_back(!null && value.get<bool>() ? 1 : 0);
    } else {
      if (!null) packed += BytesOf(key, value);
      AppendLittleEndian<uint32_t>(offsets, static_cast<uint32_t>(packed.size()));
    }
  }
  switch (key.type) {
    case Type::kInt64:
      column.set_int64_le(std::move(packed));
      break;
    case Type::kTimestamp:
      column.set_timestamp_us_le(std::move(packed));
      break;
    case Type::kBool:
      column.set_bool_u8(std::move(packed));
      break;
    case Type::kDouble:
    case Type::kFloat:
      column.set_double_le(std::move(packed));
      break;
    default:
      column.mutable_text()->set_data(std::move(packed));
      column.mutable_text()->set_offsets(std::move(offsets));
  }
  if (any_null) column.set_nulls(std::move(nulls));
}

}  // namespace

StatusOr<std::vector<RequestKey>> KeysOfService(const v1::DescribeCatalogResponse& catalog,
                                                const std::string& service) {
  for (const v1::FeatureServiceInfo& info : catalog.services()) {
    if (info.name() != service) continue;
    std::vector<RequestKey> keys;
    const auto add = [&](const v1::KeyInfo& from, bool is_input) -> Status {
      const std::optional<Type> type = TypeFromName(from.type());
      if (!type.has_value()) {
        return FailedPrecondition(
            "service {}: {} {} is {}, which this freshet does not know; use the server's version",
            service, is_input ? "input" : "key", from.name(), from.type());
      }
      keys.push_back({from.name(), *type, is_input});
      return OkStatus();
    };
    for (const v1::KeyInfo& key : info.keys()) RETURN_IF_ERROR(add(key, false));
    for (const v1::KeyInfo& input : info.inputs()) RETURN_IF_ERROR(add(input, true));
    return keys;
  }
  std::vector<std::string> names;
  for (const v1::FeatureServiceInfo& info : catalog.services()) names.push_back(info.name());
  return NotFound("there is no feature service {}{}", service, Suggestion(service, names));
}

StatusOr<int64_t> ParseAsOf(std::string_view text) {
  if (const auto time = ParseTimestamp(text)) return time->us;
  if (const auto number = ParseInt64(text)) return *number;
  return InvalidArgument(
      "--as-of \"{}\" is no time; write 2013-01-01T10:15:00Z, or microseconds since 1970", text);
}

StatusOr<RequestRow> ParseKeyArguments(const std::string& service, std::span<const RequestKey> keys,
                                       std::span<const std::string> arguments) {
  const std::string place = "service " + service;
  RequestRow row;
  row.keys.resize(keys.size());
  std::vector<bool> given(keys.size());
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    const bool null = equals == std::string::npos && argument.ends_with(kNull);
    if (equals == std::string::npos && !null) {
      return InvalidArgument("{}: \"{}\" is not key=value, or key:null; keys: {}", place, argument,
                             Joined(NamesOf(keys)));
    }
    const std::string name = argument.substr(0, null ? argument.size() - kNull.size() : equals);
    const auto key =
        std::find_if(keys.begin(), keys.end(), [&](const RequestKey& k) { return k.name == name; });
    if (key == keys.end()) {
      return InvalidArgument("{}: there is no {} \"{}\"{}", place,
                             HasInputs(keys) ? "key or input" : "key", name,
                             Suggestion(name, NamesOf(keys)));
    }
    const auto index = static_cast<size_t>(key - keys.begin());
    if (given[index])
      return InvalidArgument("{}: {} {} is given twice; several rows come with --rows", place,
                             key->noun(), name);
    given[index] = true;
    if (null) continue;
    ASSIGN_OR_RETURN(row.keys[index], KeyFromText(place, *key, argument.substr(equals + 1)));
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!given[i])
      return InvalidArgument("{}: {} {} is missing; add {}=…", place, keys[i].noun(), keys[i].name,
                             keys[i].name);
  }
  return row;
}

StatusOr<std::vector<RequestRow>> ReadRows(const std::string& service,
                                           std::span<const RequestKey> keys, std::istream& lines,
                                           const std::string& place) {
  std::vector<RequestRow> rows;
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string here = fmt::format("{}:{}", place, number);
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) {
      return InvalidArgument("{}: not a JSON object; write one a line: {{\"{}\": …}}", here,
                             keys.empty() ? "key" : keys.front().name);
    }
    ASSIGN_OR_RETURN(RequestRow row, RowFromJson(service, keys, here, object));
    rows.push_back(std::move(row));
  }
  if (lines.bad()) return Unavailable("{}: reading failed: {}", place, std::strerror(errno));
  return rows;
}

Status FillAsOf(std::optional<int64_t> as_of_us, std::vector<RequestRow>& rows) {
  size_t timed = 0;
  for (RequestRow& row : rows) {
    if (!row.as_of_us.has_value()) row.as_of_us = as_of_us;
    timed += row.as_of_us.has_value() ? 1 : 0;
  }
  if (timed != 0 && timed != rows.size()) {
    return InvalidArgument("{} of {} rows have an as_of; give the others one with --as-of", timed,
                           rows.size());
  }
  return OkStatus();
}

void FillRequest(std::span<const RequestKey> keys, std::span<const RequestRow> rows,
                 v1::GetFeaturesRequest& request) {
  for (size_t i = 0; i < keys.size(); ++i) {
    FillColumn(keys[i], i, rows, keys[i].is_input ? *request.add_inputs() : *request.add_keys());
  }
  const bool one_time = std::all_of(rows.begin(), rows.end(), [&](const RequestRow& row) {
    return row.as_of_us == rows.front().as_of_us;
  });
  for (const RequestRow& row : rows) {
    if (row.as_of_us.has_value()) request.add_as_of_us(*row.as_of_us);
    if (one_time) break;
  }
}

}  // namespace freshet
