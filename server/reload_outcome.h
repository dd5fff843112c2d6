// What came of reading the declaration anew on a running server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "featurestore/declare/catalog.h"

namespace freshet {

struct ReloadOutcome {
  bool accepted = false;
  std::vector<std::string> errors;    // why not: file:line:column, or a sentence
  std::vector<std::string> warnings;  // of the declaration
  std::vector<std::string> changes;   // what it means, in words
  bool waits = false;                 // views are built first; else it is served already
  uint64_t generation = 0;  // of one that is accepted: 1, 2, ... since the start, whose own is 0
};

// Which declaration is served, and which are not yet.
struct ReloadState {
  struct Waiting {
    uint64_t generation = 0;
    std::shared_ptr<const Catalog> catalog;
  };
  uint64_t served = 0;           // generation
  std::vector<Waiting> waiting;  // by generation
};

}  // namespace freshet
