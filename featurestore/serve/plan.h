// What a feature service (or a list of features) needs, worked out once a catalog: which views are read, by which keys, and
// where each feature's value goes. Immutable; shared by all threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "featurestore/declare/catalog.h"

namespace freshet {

// A key column that a request must give. Two of one name where two entities give it different types.
struct PlanKey {
  std::string name;
  Type type = Type::kString;
};

struct PlanView {
  uint32_t view = 0;  // index in the catalog, and the ViewId in the store
  const RowLayout* layout = nullptr;
  std::vector<uint32_t> keys;      // indices in Plan::keys, in the entity's order
  std::vector<uint32_t> features;  // indices in the view, as Row::Finish takes them
  std::vector<uint32_t> columns;   // for each of them its index in Plan::columns
};

struct PlanColumn {
  std::string name;
  Type type = Type::kDouble;
  uint32_t vector_size = 0;  // kFloatVector
  uint32_t view = 0;         // index in Plan::views
  bool has_default = false;
};

struct Plan {
  std::string service;                     // "" of a list of features
  std::shared_ptr<const Catalog> catalog;  // keeps the layouts
  std::vector<PlanKey> keys;
  std::vector<PlanView> views;      // in the order of first use
  std::vector<PlanColumn> columns;  // in the order of the answer
  uint64_t schema_id = 0;           // of the columns' names, types and views; never 0

  const std::string& view_name(size_t view) const { return catalog->views[views[view].view].name; }
};

// `features` as a service lists them: indices and the name that each is answered by.
std::shared_ptr<const Plan> CompilePlan(std::shared_ptr<const Catalog> catalog, std::string service,
                                        const std::vector<ServedFeature>& features);

}  // namespace freshet
