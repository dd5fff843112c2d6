// What a feature service (or a list of features) needs, worked out once a catalog: which views are read, by which keys, and
// where each feature's value goes. Immutable; shared by all threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "featurestore/declare/catalog.h"
#include "featurestore/store/store.h"

namespace freshet {

// A column of keys or inputs that a request must give. Two of one name where two entities give it different types.
struct PlanKey {
  std::string name;
  Type type = Type::kString;
};

inline constexpr uint32_t kNoIndex = UINT32_MAX;

struct PlanView {
  uint32_t view = 0;  // index in the catalog
  ViewId id;          // in the store
  std::string role;   // "": the view by itself
  const RowLayout* layout = nullptr;
  std::vector<uint32_t> keys;      // indices in Plan::keys, in the entity's order
  std::vector<uint32_t> features;  // indices in the view, as Row::Finish takes them
  std::vector<uint32_t> columns;   // for each of them its index in Plan::columns
  // An earlier one of the plan's that has the same rows: the same view by the same keys.
  std::optional<uint32_t> same_rows;
  // For each of `features` where its values are kept for what is derived of them, or kNoIndex. Empty: nothing is.
  std::vector<uint32_t> kept;
  bool joins = false;  // the request's own event is counted
  // The request's event is this row's only where these fields of it are these keys (Plan::keys). The others' are by themselves.
  std::vector<std::pair<uint32_t, uint32_t>> compared;
};

struct PlanColumn {
  std::string name;
  Type type = Type::kDouble;
  uint32_t vector_size = 0;  // kFloatVector
  uint32_t view = 0;         // index in Plan::views; kNoIndex: derived
  bool has_default = false;
};

// A derived feature: column first_derived + its index.
struct PlanDerived {
  const Expression* expression = nullptr;
  // What it is computed of, also by way of earlier ones.
  std::vector<uint32_t> views;   // ascending
  std::vector<uint32_t> inputs;  // ascending
  bool reads_now = false;
  bool kept = false;  // a later one reads it
};

// Where an expression's column is found: of features, where PlanView::kept says.
using PlanScope = std::vector<ServiceExpressions::Column>;

// The request's own event, field by field.
struct PlanEvent {
  struct Given {
    uint32_t field = 0;
    bool is_input = false;
    uint32_t index = 0;     // in Plan::inputs, else in Plan::keys
    bool required = false;  // null: a stored one would have been refused
  };
  const Source* source = nullptr;
  const DerivedFields* derived = nullptr;  // none: the source derives nothing
  std::vector<Given> given;
};

struct Plan {
  std::string service;                     // "" of a list of features
  std::shared_ptr<const Catalog> catalog;  // keeps the layouts
  std::vector<PlanKey> keys;
  std::vector<PlanKey> inputs;
  std::vector<PlanView> views;      // in the order of first use
  std::vector<PlanColumn> columns;  // in the order of the answer: features, then what is derived
  uint32_t first_derived = 0;       // index in `columns`
  std::vector<PlanDerived> derived;
  PlanScope scope;
  uint32_t kept_features = 0;
  std::optional<PlanEvent> event;
  uint64_t schema_id = 0;  // of the columns' names, types and views; never 0

  const std::string& view_name(size_t view) const { return catalog->views[views[view].view].name; }
  // What tells it from the others of the plan: its view's name, in a role role:view.
  std::string view_label(size_t view) const {
    const std::string& role = views[view].role;
    return role.empty() ? view_name(view) : role + ":" + view_name(view);
  }
};

// `service` need not be one of the catalog's: a list of features is one without a name. `expressions` of what it derives, which the
// catalog keeps; none: nothing.
std::shared_ptr<const Plan> CompilePlan(std::shared_ptr<const Catalog> catalog,
                                        const FeatureService& service,
                                        const ServiceExpressions* expressions = nullptr);

}  // namespace freshet
