#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
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

// Rounded as written, in the shortest digits that read back as x: 2.675 to two places is 2.68, although the double lies below.
double RoundDecimal(double x, int64_t digits) {
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof text, std::fabs(x), std::chars_format::scientific).ptr;
  const char* const e = std::find(text, end, 'e');
  int exponent = 0;
  std::from_chars(e[1] == '+' ? e + 2 : e + 1, end, exponent);
  char written[20];  // at most 17 digits, behind a zero that takes a carry
  size_t count = 0;
  written[count++] = '0';
  for (const char* p = text; p != e; ++p) {
    if (*p != '.') written[count++] = *p;
  }
  // The digits that stay, with the zero.
  const int64_t keep = exponent + 2 + digits;
  if (keep >= static_cast<int64_t>(count)) return x;
  if (keep <= 0) return std::copysign(0, x);
  const auto last = static_cast<size_t>(keep);
  if (written[last] >= '5') {
    size_t i = last - 1;
    while (written[i] == '9') written[i--] = '0';
    ++written[i];
  }
  char rounded[40];
  char* out = std::copy(written, written + last, rounded);
  *out++ = 'e';
  out = std::to_chars(out, rounded + sizeof rounded, -digits).ptr;
  double result = 0;
  if (std::from_chars(rounded, out, result).ec == std::errc::result_out_of_range) {
    result = digits < 0 ? std::numeric_limits<double>::infinity() : 0;
  }
  return std::copysign(result, x);
}

double RoundTo(double x, int64_t digits) {
  if (!std::isfinite(x) || digits > 400) return x;
  if (digits < -400) return std::copysign(0, x);
  // Where a double's arithmetic is sure of the side; the rest is decided by its digits.
  constexpr std::array<double, 10> kPowers = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
  if (digits >= 0 && digits < static_cast<int64_t>(kPowers.size())) {
    const double unit = kPowers[static_cast<size_t>(digits)];
    const double scaled = std::fabs(x) * unit;
    const double whole = std::floor(scaled);
    const double fraction = scaled - whole;
    if (scaled < 1e9 && std::fabs(fraction - 0.5) > 1e-6) {
      return std::copysign((fraction > 0.5 ? whole + 1 : whole) / unit, x);
    }
  }
  return RoundDecimal(x, digits);
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
