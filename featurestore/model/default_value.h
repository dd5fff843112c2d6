// A declared default as a value of the feature's type.
#pragma once

#include "featurestore/model/feature_view.h"

namespace freshet {

// Text and packed bytes are borrowed from the default.
inline Value AsValue(const DefaultValue& value, Type type) {
  return std::visit(
      [&]<typename T>(const T& v) {
        if constexpr (std::is_same_v<T, bool>) return Value::Bool(v);
        if constexpr (std::is_same_v<T, int64_t>) {
          return type == Type::kInt64 ? Value::Int64(v) : Value::Double(static_cast<double>(v));
        }
        if constexpr (std::is_same_v<T, double>) return Value::Double(v);
        if constexpr (std::is_same_v<T, std::string>) {
          return IsScalar(type) ? Value::Text(v) : Value::Packed(v);
        }
        if constexpr (std::is_same_v<T, Timestamp>) return Value::Time(v);
      },
      value);
}

}  // namespace freshet
