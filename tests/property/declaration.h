// Random feature views, written as a data engineer would write them and loaded by declare: what it refuses is no
// case, and what it begins to take is one by itself.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/expr/derived_fields.h"
#include "featurestore/model/feature_view.h"
#include "featurestore/model/source.h"
#include "tests/property/random.h"
#include "tests/property/random_expression.h"

namespace freshet::property {

// What `windows` may say, as the table of comparisons names it.
enum class Shape {
  kSliding,
  kExact,
  kTumbling,
  kCompleted,
  kCalendar,
  kCalendarCompleted,
  kHopping,
  kSession,
  kEnded,
  kRows,
  kLifetime,
};
inline constexpr int kShapes = 11;
std::string_view ShapeName(Shape shape);
Shape ShapeOf(const Window& window);

// What a feature may be: one row of docs/declarations.md's two tables crossed.
struct CellKind {
  std::string aggregate;        // or a form of it: "count by"
  std::vector<std::string> of;  // fields that the aggregation takes; "": none
  Shape shape;
};

// The aggregation, and behind it what gives the answer another shape: "count by", "top_k counts", "histogram bounds".
std::string FormName(const Feature& feature);

// Every cell that declare takes. Aggregations of the catalog that the oracle does not answer are left out, and named in
// `left_out`.
const std::vector<CellKind>& LegalCells(std::vector<std::string>* left_out = nullptr);

struct Declaration {
  Source source;
  Entity entity;
  FeatureView view;
  std::map<std::string, std::string> written;  // by name of the feature: its line
  std::string text;                            // the whole project
  // What the engine computes of an event's fields, and by index of the field what it must be.
  std::shared_ptr<const DerivedFields> derived;
  std::shared_ptr<const std::map<uint32_t, RandomExpression>> computed;
  // About as long as its windows: what times are drawn by.
  Duration scale;
  int refused = 0;  // declarations drawn before it that declare refused
  std::string last_refusal;
};

Declaration RandomDeclaration(uint64_t seed);

}  // namespace freshet::property
