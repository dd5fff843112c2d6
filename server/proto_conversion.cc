#include "server/proto_conversion.h"

#include <utility>

#include "featurestore/model/type_text.h"

namespace freshet {
namespace {

using Form = RequestColumn::Form;

std::string_view Bytes(const google::protobuf::RepeatedField<int64_t>& values) {
  return {reinterpret_cast<const char*>(values.data()),
          static_cast<size_t>(values.size()) * sizeof(int64_t)};
}

void ToColumn(const v1::Column& from, RequestColumn& to) {
  to.name = from.name();
  to.broadcast = from.broadcast();
  to.nulls = from.nulls();
  const auto packed = [&](Form form, std::string_view wire_name, std::string_view bytes) {
    to.form = form;
    to.wire_name = wire_name;
    to.packed = bytes;
  };
  switch (from.values_case()) {
    case v1::Column::kStrings:
      to.form = Form::kStrings;
      to.wire_name = "strings";
      to.strings = {from.strings().values().data(),
                    static_cast<size_t>(from.strings().values_size())};
      return;
    case v1::Column::kInt64S:
      to.form = Form::kInt64;
      to.wire_name = "int64s";
      to.packed = Bytes(from.int64s().values());
      return;
    case v1::Column::kInt64Le:
      return packed(Form::kInt64, "int64_le", from.int64_le());
    case v1::Column::kTimestampUsLe:
      return packed(Form::kTimestamp, "timestamp_us_le", from.timestamp_us_le());
    case v1::Column::kBoolU8:
      return packed(Form::kBool, "bool_u8", from.bool_u8());
    case v1::Column::kText:
      to.offsets = from.text().offsets();
      return packed(Form::kText, "text", from.text().data());
    case v1::Column::kDoubleLe:
      return packed(Form::kDouble, "double_le", from.double_le());
    case v1::Column::kFloatLe:
      return packed(Form::kFloat, "float_le", from.float_le());
    case v1::Column::kList:
      return packed(Form::kOther, "list", "");
    case v1::Column::kFixedList:
      return packed(Form::kOther, "fixed_list", "");
    case v1::Column::kMap:
      return packed(Form::kOther, "map", "");
    case v1::Column::VALUES_NOT_SET:
      return;
  }
}

void PutScalars(Type type, std::string& values, std::string& offsets, v1::Column& to) {
  switch (type) {
    case Type::kBool:
      return to.set_bool_u8(std::move(values));
    case Type::kInt64:
      return to.set_int64_le(std::move(values));
    case Type::kDouble:
      return to.set_double_le(std::move(values));
    case Type::kFloat:
      return to.set_float_le(std::move(values));
    case Type::kTimestamp:
      return to.set_timestamp_us_le(std::move(values));
    case Type::kString:
    case Type::kBytes:
      to.mutable_text()->set_offsets(std::move(offsets));
      to.mutable_text()->set_data(std::move(values));
      return;
  }
}

void ToProto(const PlanColumn& planned, AnswerColumn& from, v1::Column& to) {
  const Type type = planned.type;
  to.set_broadcast(from.broadcast);
  if (IsScalar(type)) return PutScalars(type, from.values, from.offsets, to);
  if (type == kFloatVector) {
    to.mutable_fixed_list()->set_size(planned.vector_size);
    to.mutable_fixed_list()->mutable_elements()->set_float_le(std::move(from.values));
  } else if (IsMap(type)) {
    v1::Map& map = *to.mutable_map();
    map.set_offsets(std::move(from.offsets));
    PutScalars(ElementOf(type), from.values, from.element_offsets, *map.mutable_keys());
    PutScalars(MappedOf(type), from.mapped, from.mapped, *map.mutable_values());
  } else {
    v1::List& list = *to.mutable_list();
    list.set_offsets(std::move(from.offsets));
    PutScalars(ElementOf(type), from.values, from.element_offsets, *list.mutable_elements());
    list.mutable_elements()->set_nulls(std::move(from.nulls));
  }
}

}  // namespace

Outcome SelectPlan(Plans& plans, const v1::GetFeaturesRequest& request,
                   std::shared_ptr<const Plan>& plan) {
  if (!v1::Layout_IsValid(request.layout())) {
    return BadField("NOT_SUPPORTED", "layout",
                    fmt::format("there is no layout {}", static_cast<int>(request.layout())));
  }
  if (request.selection_case() == v1::GetFeaturesRequest::kFeatures) {
    const auto& names = request.features().names();
    return plans.Features({names.data(), static_cast<size_t>(names.size())}, plan);
  }
  return plans.Service(request.feature_service(), plan);
}

FeatureRequest ToFeatureRequest(const v1::GetFeaturesRequest& request,
                                std::vector<RequestColumn>& columns) {
  const auto num_keys = static_cast<size_t>(request.keys_size());
  columns.assign(num_keys + static_cast<size_t>(request.inputs_size()), {});
  for (int i = 0; i < request.keys_size(); ++i)
    ToColumn(request.keys(i), columns[static_cast<size_t>(i)]);
  for (int i = 0; i < request.inputs_size(); ++i)
    ToColumn(request.inputs(i), columns[num_keys + static_cast<size_t>(i)]);
  const std::span<const RequestColumn> all = columns;
  return {all.first(num_keys),
          {request.as_of_us().data(), static_cast<size_t>(request.as_of_us_size())},
          all.subspan(num_keys),
          request.event_id()};
}

void PutHeader(const Plan& plan, Answer& answer, const v1::GetFeaturesRequest& request,
               v1::GetFeaturesResponse& response) {
  response.set_num_rows(static_cast<uint32_t>(answer.num_rows));
  response.set_evaluated_at_us(answer.evaluated_at.us);
  response.set_schema_id(plan.schema_id);
  if (request.schema_id() != plan.schema_id) {
    v1::Schema& schema = *response.mutable_schema();
    for (size_t c = 0; c < plan.columns.size(); ++c) {
      const PlanColumn& column = plan.columns[c];
      v1::FeatureField& field = *schema.add_fields();
      field.set_name(column.name);
      field.set_type(TypeText(column.type, column.vector_size));
      field.set_has_default(column.has_default);
      if (column.view != kNoIndex) {
        field.set_view(column.view);
        continue;
      }
      field.set_derived(true);
      for (const uint32_t view : plan.derived[c - plan.first_derived].views) {
        field.add_derived_from(view);
      }
    }
  }
  for (size_t v = 0; v < plan.views.size(); ++v) {
    AnswerView& from = answer.views[v];
    v1::ViewInfo& to = *response.add_views();
    to.set_view(plan.view_name(v));
    if (!plan.views[v].role.empty()) to.set_role(plan.views[v].role);
    if (from.watermark) to.set_watermark_us(from.watermark->us);
    if (from.complete_since) to.set_complete_since_us(from.complete_since->us);
    if (!from.event_times.empty()) {
      to.set_event_times_us_le(std::move(from.event_times));
      to.set_broadcast(from.broadcast);
    }
  }
}

void PutValues(const Plan& plan, Answer& answer, bool with_names,
               v1::GetFeaturesResponse& response) {
  response.set_statuses(std::move(answer.statuses));
  response.set_degraded(std::move(answer.degraded));
  if (!answer.matrix.empty()) {
    response.set_matrix(std::move(answer.matrix));
    return;
  }
  response.mutable_columns()->Reserve(static_cast<int>(plan.columns.size()));
  for (size_t c = 0; c < plan.columns.size(); ++c) {
    v1::Column& column = *response.add_columns();
    if (with_names) column.set_name(plan.columns[c].name);
    ToProto(plan.columns[c], answer.columns[c], column);
  }
}

}  // namespace freshet
