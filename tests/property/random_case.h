// A random declaration and a random life of one row of it: what property tests run through the engine and the oracle.
// The same seed gives the same case, and a case is plain data, so that a failing one can be cut down.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/base/time.h"
#include "featurestore/model/event.h"
#include "tests/property/declaration.h"

namespace freshet::property {

struct Step {
  enum class Kind { kApply, kDelete, kReopen, kCompact, kRead } kind = Kind::kApply;
  // kApply, of kDelete the time: the fields of the record, computed ones left out. Texts are borrowed from literals.
  Timestamp time;
  Coordinates at;
  std::vector<Value> fields;
  bool at_an_edge = false;  // of a pane, bucket or run, or a microsecond beside it
  // kRead; kReopen encodes the row and decodes it again: the end of a batch, or a restart. kCompact: `now` is the greatest event
  // time accepted, of whichever entity, as compaction comes by.
  Timestamp now;
  std::optional<Timestamp> as_of;
};

struct Case {
  Declaration declared;
  bool in_order = false;
  std::vector<Step> steps;
  const FeatureView& view() const { return declared.view; }
};

// So many cases with neighbouring seeds share a declaration: loading one takes as long as living through it.
inline constexpr uint64_t kCasesOfADeclaration = 4;

Case RandomCase(uint64_t seed);

// Whether the row's panes do not know their events' times, so that docs/semantics.md does not say how old a row was at a time that is
// past for it and not for `now`. (Kinds without panes have no past at all: the row's time is its newest event's.)
bool LacksTimesOfPanes(const FeatureView& view);

// Whether an event that comes later than `lateness` may tell that compaction removed its row: it may be the bridge between two runs, or
// the double by which another one is none. An exception of docs/semantics.md ("The same log, the same answer").
bool RemovalMayShow(const FeatureView& view);

// Everything that decides the case, for a person.
std::string Describe(const Case& c);

}  // namespace freshet::property
