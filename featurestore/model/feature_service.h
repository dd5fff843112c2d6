// Feature services, as declared and resolved: what a model asks for, and what it brings with the request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/model/source.h"
#include "featurestore/model/value.h"

namespace freshet {

// A view as a service uses it: by itself, or in a role (`{ view, as, keys }`), in which the same view can be served several times.
struct ServedView {
  uint32_t view = 0;              // index in the catalog
  std::string role;               // "": by itself
  std::vector<std::string> keys;  // what a request calls them, one for each key of the entity
};

struct ServedFeature {
  uint32_t view = 0;     // index in FeatureService::views
  uint32_t feature = 0;  // index in the view
  // As answered: the feature's name, role:feature in a role, or view:feature where names of two views collide.
  std::string name;
};

// What comes with a request and is stored nowhere.
struct RequestInput {
  std::string name;
  Type type = Type::kDouble;
};

// Computed at a request of features, inputs and `now`; answered behind the features.
struct DerivedFeature {
  std::string name;
  Type type = Type::kDouble;
  std::string expression;  // SQL, as written
};

// The event that a request tells of itself (`count_request`), as its source's log would: which of the source's fields come from
// where. The others are null, but for the event's time, which is the read's, and what the source derives.
struct RequestEvent {
  struct Given {
    uint32_t field = 0;             // of the source
    std::optional<uint32_t> input;  // index in FeatureService::inputs; none: the request's `key`
    std::string key;
  };
  uint32_t source = 0;  // index in the catalog
  std::vector<Given> given;
};

struct FeatureService {
  std::string name;
  std::vector<ServedView> views;        // in the order of first mention
  std::vector<ServedFeature> features;  // in declaration order: the order of the answer's columns
  std::vector<RequestInput> inputs;
  std::vector<DerivedFeature> derived;
  std::optional<RequestEvent> event;
  Annotations about;
};

}  // namespace freshet
