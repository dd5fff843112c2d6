#include "tests/integration/flights/asked_server.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

namespace freshet {
namespace {

template <typename T>
std::string Packed(T v) {
  std::string bytes(sizeof v, '\0');
  std::memcpy(bytes.data(), &v, sizeof v);
  return bytes;
}

template <typename T>
T At(std::string_view bytes, size_t index) {
  T v;
  std::memcpy(&v, bytes.data() + index * sizeof v, sizeof v);
  return v;
}

void AddKey(Type type, const Value& value, v1::Column& column) {
  switch (type) {
    case Type::kString: {
      column.mutable_strings()->add_values(std::string(value.as_text()));
      return;
    }
    case Type::kBytes: {
      std::string& data = *column.mutable_text()->mutable_data();
      std::string& offsets = *column.mutable_text()->mutable_offsets();
      if (offsets.empty()) offsets = Packed(uint32_t{0});
      data += value.as_text();
      offsets += Packed(static_cast<uint32_t>(data.size()));
      return;
    }
    case Type::kBool:
      column.mutable_bool_u8()->push_back(value.as_bool() ? '\1' : '\0');
      return;
    case Type::kTimestamp:
      *column.mutable_timestamp_us_le() += Packed(value.as_time().us);
      return;
    default:
      column.mutable_int64s()->add_values(value.as_int64());
  }
}

// The values of one column; nullopt where it does not hold `count` of `type`.
std::optional<std::vector<Value>> Values(const v1::Column& column, Type type, size_t count) {
  std::vector<Value> values;
  const auto read = [&](const std::string& bytes, size_t width, auto make) {
    if (bytes.size() != count * width) return false;
    for (size_t i = 0; i < count; ++i) values.push_back(make(i));
    return true;
  };
  bool ok = false;
  switch (type) {
    case Type::kBool:
      ok = column.has_bool_u8() && read(column.bool_u8(), 1, [&](size_t i) {
             return Value::Bool(column.bool_u8()[i] != 0);
           });
      break;
    case Type::kInt64:
      ok = column.has_int64_le() && read(column.int64_le(), 8, [&](size_t i) {
             return Value::Int64(At<int64_t>(column.int64_le(), i));
           });
      break;
    case Type::kDouble:
      ok = column.has_double_le() && read(column.double_le(), 8, [&](size_t i) {
             return Value::Double(At<double>(column.double_le(), i));
           });
      break;
    case Type::kFloat:
      ok = column.has_float_le() && read(column.float_le(), 4, [&](size_t i) {
             return Value::Double(static_cast<double>(At<float>(column.float_le(), i)));
           });
      break;
    case Type::kTimestamp:
      ok = column.has_timestamp_us_le() && read(column.timestamp_us_le(), 8, [&](size_t i) {
             return Value::Time({At<int64_t>(column.timestamp_us_le(), i)});
           });
      break;
    case Type::kString:
    case Type::kBytes: {
      const std::string_view data = column.text().data();
      const std::string_view offsets = column.text().offsets();
      ok = column.has_text() && offsets.size() == (count + 1) * 4;
      for (size_t i = 0; ok && i < count; ++i) {
        const auto begin = At<uint32_t>(offsets, i);
        const auto end = At<uint32_t>(offsets, i + 1);
        ok = begin <= end && end <= data.size();
        if (ok) values.push_back(Value::Text(data.substr(begin, end - begin)));
      }
      break;
    }
  }
  if (!ok) return std::nullopt;
  return values;
}

// "No value: 0 or NaN, and the status says so."
bool IsNoValue(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kDouble:
      return value.as_double() == 0 || std::isnan(value.as_double());
    case Value::Kind::kText:
      return value.as_text().empty();
    default:
      return value.as_int64() == 0;
  }
}

Status Misshapen(const FeatureView& view, std::string_view what) {
  return Internal("the answer for {} is not as the wire says: {}", view.name, what);
}

}  // namespace

AskedServer::AskedServer(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(64 << 20);
  stub_ = v1::ServingService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

StatusOr<std::unique_ptr<AskedAnswer>> AskedServer::Ask(const FeatureView& view,
                                                        const Entity& entity,
                                                        std::span<const std::vector<Value>> keys,
                                                        std::span<const Timestamp> as_of) {
  v1::GetFeaturesRequest request;
  request.mutable_features()->add_names(view.name);
  request.set_event_times(true);
  for (size_t k = 0; k < entity.keys.size(); ++k) {
    v1::Column& column = *request.add_keys();
    column.set_name(entity.keys[k].name);
    for (const auto& key : keys) AddKey(entity.keys[k].type, key[k], column);
  }
  for (const Timestamp t : as_of) request.add_as_of_us(t.us);

  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  context.set_wait_for_ready(true);
  auto answer = std::make_unique<AskedAnswer>();
  const v1::GetFeaturesResponse& response = answer->response;
  const grpc::Status status = stub_->GetFeatures(&context, request, &answer->response);
  if (!status.ok()) {
    return Unavailable("GetFeatures of {}: {} (code {})", view.name, status.error_message(),
                       static_cast<int>(status.error_code()));
  }
  answer->now = {response.evaluated_at_us()};
  if (response.num_rows() != keys.size()) return Misshapen(view, "num_rows");
  const auto features = static_cast<int>(view.features.size());
  if (response.columns_size() != features) return Misshapen(view, "columns");
  if (response.schema().fields_size() != features) return Misshapen(view, "schema");
  if (response.views_size() != 1 || response.views(0).view() != view.name) {
    return Misshapen(view, "views");
  }

  answer->rows.resize(keys.size());
  size_t sent = 0;  // values before this column: the index of its first status
  for (int c = 0; c < features; ++c) {
    const Feature& feature = view.features[static_cast<size_t>(c)];
    const v1::Column& column = response.columns(c);
    if (column.name() != feature.name) return Misshapen(view, column.name());
    if (response.schema().fields(c).type() != TypeName(feature.type)) {
      return Misshapen(view, feature.name);
    }
    const size_t count = column.broadcast() ? 1 : keys.size();
    const auto values = Values(column, feature.type, count);
    if (!values) return Misshapen(view, feature.name);
    for (size_t r = 0; r < keys.size(); ++r) {
      const size_t i = column.broadcast() ? 0 : r;
      Cell cell{.status = CellStatus::kPresent, .value = (*values)[i]};
      if (!response.statuses().empty()) {
        if (sent + i >= response.statuses().size()) return Misshapen(view, "statuses");
        cell.status = static_cast<CellStatus>(response.statuses()[sent + i]);
      }
      if (!response.degraded().empty()) {
        if (sent + i >= response.degraded().size()) return Misshapen(view, "degraded");
        cell.degraded = response.degraded()[sent + i] != 0;
      }
      // Beside a status that may come with a default the schema tells whether there is one.
      const bool filled =
          cell.status == CellStatus::kPresent ||
          (response.schema().fields(c).has_default() &&
           (cell.status == CellStatus::kNotFound || cell.status == CellStatus::kOutsideMaxAge));
      if (!filled) {
        if (!IsNoValue(cell.value)) return Misshapen(view, feature.name + ": a value without one");
        cell.value = {};
      }
      answer->rows[r].cells.push_back(cell);
    }
    sent += count;
  }
  if (!response.statuses().empty() && response.statuses().size() != sent) {
    return Misshapen(view, "statuses");
  }
  const v1::ViewInfo& info = response.views(0);
  const size_t times = info.broadcast() ? 1 : keys.size();
  if (info.event_times_us_le().size() != times * 8) return Misshapen(view, "event times");
  for (size_t r = 0; r < keys.size(); ++r) {
    const auto us = At<int64_t>(info.event_times_us_le(), info.broadcast() ? 0 : r);
    if (us != std::numeric_limits<int64_t>::min()) answer->rows[r].event_time = Timestamp{us};
  }
  return answer;
}

}  // namespace freshet
