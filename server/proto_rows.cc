#include "server/proto_rows.h"

#include <cmath>
#include <cstring>

#include "featurestore/base/utf8.h"
#include "featurestore/model/packed.h"
#include "featurestore/serve/answer_lists.h"
#include "featurestore/store/live_status.h"

namespace freshet {
namespace {

// The greatest n up to which every int64 is a double.
constexpr int64_t kMaxExact = int64_t{1} << 53;

std::string Base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) {
      out.push_back(i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63]);
    }
  }
  return out;
}

// A key sent as `text` may hold any bytes, and protobuf's strings may not: what is no UTF-8 becomes U+FFFD.
std::string ValidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text, i);
    if (length > 0) {
      out.append(text.substr(i, length));
      i += length;
    } else {
      out += "\xef\xbf\xbd";
      ++i;
    }
  }
  return out;
}

google::protobuf::Struct& Object(google::protobuf::Struct& parent, const char* name) {
  return *(*parent.mutable_fields())[name].mutable_struct_value();
}

// A map's key as the name of an object's member: the value's text.
std::string MemberName(Type type, const Value& key) {
  google::protobuf::Value value;
  PutJsonValue(type, key, value);
  return key.kind() == Value::Kind::kInt64 ? std::to_string(key.as_int64())
         : value.has_string_value()        ? std::move(*value.mutable_string_value())
                                           : ToDebugString(key);
}

void PutJsonList(const PlanColumn& planned, const AnswerColumn& column, size_t row,
                 google::protobuf::Value& out) {
  const Type type = planned.type;
  const ElementRange range = ElementsOf(type, planned.vector_size, column, row);
  if (IsMap(type)) {
    auto& members = *out.mutable_struct_value()->mutable_fields();
    for (uint32_t i = range.begin; i < range.end; ++i) {
      PutJsonValue(MappedOf(type), MappedAt(type, column, i),
                   members[MemberName(ElementOf(type), ElementAt(type, column, i))]);
    }
    return;
  }
  google::protobuf::ListValue& list = *out.mutable_list_value();
  for (uint32_t i = range.begin; i < range.end; ++i) {
    PutJsonValue(ElementOf(type), ElementAt(type, column, i), *list.add_values());
  }
}

}  // namespace

void PutJsonValue(Type type, const Value& value, google::protobuf::Value& out) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      out.set_null_value(google::protobuf::NULL_VALUE);
      return;
    case Value::Kind::kBool:
      out.set_bool_value(value.as_bool());
      return;
    case Value::Kind::kInt64: {
      const int64_t number = value.as_int64();
      if (number > kMaxExact || number < -kMaxExact) {
        out.set_string_value(std::to_string(number));
      } else {
        out.set_number_value(static_cast<double>(number));
      }
      return;
    }
    case Value::Kind::kDouble: {
      const double number = value.as_double();
      if (std::isfinite(number)) {
        out.set_number_value(number);
      } else {
        out.set_string_value(std::isnan(number) ? "NaN" : (number > 0 ? "Infinity" : "-Infinity"));
      }
      return;
    }
    case Value::Kind::kText: {
      const std::string_view text = value.as_text();
      out.set_string_value(type == Type::kBytes ? Base64(text) : ValidUtf8(text));
      return;
    }
    case Value::Kind::kTimestamp:
      out.set_string_value(FormatTimestamp(value.as_time()));
      return;
    case Value::Kind::kPacked:
      out.set_string_value(PackedToDebugString(value.as_packed()));
      return;
  }
}

size_t PutRows(const Plan& plan, const BoundKeys& keys, const Answer& answer, bool event_times,
               size_t max_bytes, v1::GetFeaturesResponse& response) {
  // First status of each column.
  std::vector<size_t> first(plan.columns.size());
  size_t cells = 0;
  for (size_t c = 0; c < plan.columns.size(); ++c) {
    first[c] = cells;
    cells += answer.columns[c].broadcast ? 1 : answer.num_rows;
  }
  size_t bytes = 0;
  for (size_t row = 0; row < answer.num_rows; ++row) {
    google::protobuf::Struct& object = *response.add_rows();
    auto& key_object = Object(object, "keys");
    for (uint32_t k = 0; k < plan.keys.size(); ++k) {
      PutJsonValue(plan.keys[k].type, keys.value(plan, k, row),
                   (*key_object.mutable_fields())[plan.keys[k].name]);
    }
    auto& features = *Object(object, "features").mutable_fields();
    auto& statuses = *Object(object, "statuses").mutable_fields();
    google::protobuf::ListValue degraded;
    for (size_t c = 0; c < plan.columns.size(); ++c) {
      const PlanColumn& planned = plan.columns[c];
      const AnswerColumn& column = answer.columns[c];
      const size_t cell = first[c] + (column.broadcast ? 0 : row);
      const CellStatus status = answer.statuses.empty()
                                    ? CellStatus::kPresent
                                    : static_cast<CellStatus>(answer.statuses[cell]);
      const bool has_value = status == CellStatus::kPresent ||
                             (planned.has_default && (status == CellStatus::kNotFound ||
                                                      status == CellStatus::kOutsideMaxAge));
      google::protobuf::Value& json = features[planned.name];
      if (has_value && !IsScalar(planned.type)) {
        PutJsonList(planned, column, row, json);
      } else {
        PutJsonValue(planned.type, has_value ? AnswerValue(planned.type, column, row) : Value(),
                     json);
      }
      const std::string_view name = CellStatusName(status);
      statuses[planned.name].set_string_value(name.data(), name.size());
      if (!answer.degraded.empty() && answer.degraded[cell] != 0)
        degraded.add_values()->set_string_value(planned.name);
    }
    if (degraded.values_size() > 0) {
      *(*object.mutable_fields())["degraded"].mutable_list_value() = std::move(degraded);
    }
    if (event_times) {
      auto& times = *Object(object, "event_times").mutable_fields();
      for (size_t v = 0; v < plan.views.size(); ++v) {
        const AnswerView& view = answer.views[v];
        int64_t us = 0;
        std::memcpy(&us, view.event_times.data() + 8 * (view.broadcast ? 0 : row), 8);
        PutJsonValue(Type::kTimestamp, us == kNoTime ? Value() : Value::Time({us}),
                     times[plan.view_label(v)]);
      }
    }
    const size_t size = object.ByteSizeLong();
    bytes += size + 1 + (size < 128 ? 1 : size < 16384 ? 2 : 4);
    if (bytes > max_bytes) return row;
  }
  return answer.num_rows;
}

}  // namespace freshet
