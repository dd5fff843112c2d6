#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "featurestore/expr/kernels.h"
#include "featurestore/expr/program.h"

namespace freshet::expr {
namespace {

using Error = EvaluationError;

Error Finish(double value, bool finite_arguments, Value& result) {
  if (std::isinf(value) && finite_arguments) return Error::kDoubleOverflow;
  result = Value::Double(value);
  return Error::kNone;
}

// Halves away from zero in the 15 digits that a double surely has: 2.675 to two places is 2.68, as written, although the
// double lies below it.
double RoundScaled(double scaled) {
  const double magnitude = std::fabs(scaled);
  const double whole = std::floor(magnitude);
  const double slack = magnitude * 1e-15;
  return std::copysign(magnitude - whole >= 0.5 - slack ? whole + 1 : whole, scaled);
}

double RoundTo(double x, int64_t digits) {
  constexpr double kAllDigits = 0x1p52;  // beyond it a double has no fraction
  if (!std::isfinite(x) || digits > 400) return x;
  if (digits < -400) return std::copysign(0, x);
  if (digits < 0) {
    // In two steps where 10^-digits is no double.
    const double unit = std::pow(10, static_cast<double>(-digits));
    return std::isinf(unit) ? std::copysign(0, x) : RoundScaled(x / unit) * unit;
  }
  const double unit = std::pow(10, static_cast<double>(digits));
  const double scaled = x * unit;
  if (!std::isfinite(scaled) || std::fabs(scaled) >= kAllDigits) return x;
  return RoundScaled(scaled) / unit;
}

}  // namespace

Error RoundKernel(const Value* args, size_t, CallContext&, Value& result) {
  result = Value::Double(std::round(args[0].number()));
  return Error::kNone;
}

Error RoundDigitsKernel(const Value* args, size_t, CallContext&, Value& result) {
  return Finish(RoundTo(args[0].number(), args[1].as_int64()), std::isfinite(args[0].number()),
                result);
}

Error FloorKernel(const Value* args, size_t, CallContext&, Value& result) {
  result = Value::Double(std::floor(args[0].number()));
  return Error::kNone;
}

Error CeilKernel(const Value* args, size_t, CallContext&, Value& result) {
  result = Value::Double(std::ceil(args[0].number()));
  return Error::kNone;
}

Error LnKernel(const Value* args, size_t, CallContext&, Value& result) {
  const double x = args[0].number();
  if (x <= 0) return Error::kDomain;
  result = Value::Double(std::log(x));
  return Error::kNone;
}

Error ExpKernel(const Value* args, size_t, CallContext&, Value& result) {
  const double x = args[0].number();
  return Finish(std::exp(x), std::isfinite(x), result);
}

Error PowerKernel(const Value* args, size_t, CallContext&, Value& result) {
  const double x = args[0].number();
  const double y = args[1].number();
  if (x == 0 && y < 0) return Error::kDomain;
  if (x < 0 && std::isfinite(y) && std::trunc(y) != y) return Error::kDomain;
  return Finish(std::pow(x, y), std::isfinite(x) && std::isfinite(y), result);
}

Error SqrtKernel(const Value* args, size_t, CallContext&, Value& result) {
  const double x = args[0].number();
  if (x < 0) return Error::kDomain;
  result = Value::Double(std::sqrt(x));
  return Error::kNone;
}

Error DivDoubleKernel(const Value* args, size_t, CallContext&, Value& result) {
  const double x = args[0].number();
  const double y = args[1].number();
  if (y == 0 && !std::isnan(x)) return Error::kDivisionByZero;
  return Finish(std::trunc(x / y), std::isfinite(x) && std::isfinite(y), result);
}

Error HaversineKernel(const Value* args, size_t, CallContext&, Value& result) {
  constexpr double kEarthRadiusKm = 6371.0088;  // the mean radius (IUGG)
  constexpr double kRadians = std::numbers::pi / 180;
  const double lat1 = args[0].number();
  const double lon1 = args[1].number();
  const double lat2 = args[2].number();
  const double lon2 = args[3].number();
  const auto is_latitude = [](double v) { return v >= -90 && v <= 90; };
  const auto is_longitude = [](double v) { return v >= -360 && v <= 360; };
  if (!is_latitude(lat1) || !is_latitude(lat2) || !is_longitude(lon1) || !is_longitude(lon2)) {
    return Error::kDomain;
  }
  const double north = std::sin((lat2 - lat1) * kRadians / 2);
  const double east = std::sin((lon2 - lon1) * kRadians / 2);
  const double h =
      north * north + std::cos(lat1 * kRadians) * std::cos(lat2 * kRadians) * east * east;
  result = Value::Double(2 * kEarthRadiusKm * std::asin(std::sqrt(std::min(1.0, h))));
  return Error::kNone;
}

namespace {

Value Extreme(const Value* args, size_t count, int sign) {
  Value best;
  for (size_t i = 0; i < count; ++i) {
    if (args[i].is_null()) continue;
    if (best.is_null() || CompareValues(args[i], best) * sign > 0) best = args[i];
  }
  return best;
}

}  // namespace

Error GreatestKernel(const Value* args, size_t count, CallContext&, Value& result) {
  result = Extreme(args, count, 1);
  return Error::kNone;
}

Error LeastKernel(const Value* args, size_t count, CallContext&, Value& result) {
  result = Extreme(args, count, -1);
  return Error::kNone;
}

}  // namespace freshet::expr
