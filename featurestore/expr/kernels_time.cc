#include <array>

#include "featurestore/base/civil_date.h"
#include "featurestore/base/time.h"
#include "featurestore/expr/kernels.h"

namespace freshet::expr {
namespace {

using Error = EvaluationError;

constexpr int64_t kDay = Duration::Days(1).us;

// An instant as its zone's clocks and calendars show it.
struct Local {
  int64_t days;    // since 1970-01-01, rounded down
  int64_t of_day;  // microseconds since midnight
};

Local ToLocal(Timestamp t, const CallContext& context) {
  if (context.zone != nullptr) t = t + context.zone->OffsetAt(t);
  int64_t days = t.us / kDay;
  if (t.us % kDay < 0) --days;
  return {days, t.us - days * kDay};
}

// Monday is 0; 1970-01-01 was a Thursday.
int64_t DayOfWeek(int64_t days) { return ((days + 3) % 7 + 7) % 7; }

// 1 BC, where a zone's clocks still show it, is -1 to SQL.
int64_t Year(Local t) {
  const int64_t year = CivilFromDays(t.days).year;
  return year > 0 ? year : year - 1;
}
int64_t Quarter(Local t) { return (CivilFromDays(t.days).month + 2) / 3; }
int64_t Month(Local t) { return CivilFromDays(t.days).month; }
int64_t Day(Local t) { return CivilFromDays(t.days).day; }
int64_t Hour(Local t) { return t.of_day / Duration::Hours(1).us; }
int64_t Minute(Local t) { return t.of_day / Duration::Minutes(1).us % 60; }
int64_t Dow(Local t) { return (DayOfWeek(t.days) + 1) % 7; }
int64_t IsoDow(Local t) { return DayOfWeek(t.days) + 1; }
int64_t Doy(Local t) { return t.days - DaysFromCivil(CivilFromDays(t.days).year, 1, 1) + 1; }
// ISO 8601: the week belongs to the year that has its Thursday.
int64_t Week(Local t) {
  const int64_t thursday = t.days - DayOfWeek(t.days) + 3;
  return (thursday - DaysFromCivil(CivilFromDays(thursday).year, 1, 1)) / 7 + 1;
}

template <int64_t (*kField)(Local)>
Error Whole(const Value* args, size_t, CallContext& context, Value& result) {
  result = Value::Int64(kField(ToLocal(args[0].as_time(), context)));
  return Error::kNone;
}

Error Second(const Value* args, size_t, CallContext& context, Value& result) {
  const int64_t us = ToLocal(args[0].as_time(), context).of_day % Duration::Minutes(1).us;
  result = Value::Double(static_cast<double>(us) / 1e6);
  return Error::kNone;
}

// Seconds since 1970; at a time zone those that its clocks show, as if they were UTC's, which is what PostgreSQL's timestamp without
// a zone has.
Error Epoch(const Value* args, size_t, CallContext& context, Value& result) {
  Timestamp t = args[0].as_time();
  if (context.zone != nullptr) t = t + context.zone->OffsetAt(t);
  result = Value::Double(static_cast<double>(t.us) / 1e6);
  return Error::kNone;
}

constexpr std::array<ExtractField, 12> kFields = {{{"year", false, Whole<Year>},
                                                   {"quarter", false, Whole<Quarter>},
                                                   {"month", false, Whole<Month>},
                                                   {"week", false, Whole<Week>},
                                                   {"day", false, Whole<Day>},
                                                   {"hour", false, Whole<Hour>},
                                                   {"minute", false, Whole<Minute>},
                                                   {"second", true, Second},
                                                   {"dow", false, Whole<Dow>},
                                                   {"isodow", false, Whole<IsoDow>},
                                                   {"doy", false, Whole<Doy>},
                                                   {"epoch", true, Epoch}}};

}  // namespace

std::optional<ExtractField> FindExtractField(std::string_view name) {
  for (const ExtractField& field : kFields) {
    if (field.name == name) return field;
  }
  return std::nullopt;
}

std::string_view ExtractFieldNames() {
  return "year, quarter, month, week, day, hour, minute, second, dow, isodow, doy, epoch";
}

Error EpochOfIntervalKernel(const Value* args, size_t, CallContext&, Value& result) {
  result = Value::Double(static_cast<double>(args[0].as_int64()) / 1e6);
  return Error::kNone;
}

}  // namespace freshet::expr
