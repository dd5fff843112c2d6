// What another declaration means for a server that runs on one: what it would build, what it drops, and what cannot change while it
// runs.
#pragma once

#include <string>
#include <vector>

#include "featurestore/declare/project.h"

namespace freshet {

struct CatalogChange {
  // One a change, in words: "feature view card_spend: changed; rebuilt from its source's log".
  std::vector<std::string> lines;
  // Settings and others that need a restart, each a sentence that names it. Not empty: the change is to be refused whole.
  std::vector<std::string> refused;
  std::vector<uint32_t> built;  // views of the new catalog that are new, or whose version is
  bool empty() const { return lines.empty() && refused.empty(); }
};

// Both are without errors.
CatalogChange CompareProjects(const Project& now, const Project& next);

// Whether a source's records come to the same events, and its views keep the same of them for as long: then whoever reads it for
// the one catalog may go on for the other.
bool ReadsAlike(const Catalog& a, uint32_t source_of_a, const Catalog& b, uint32_t source_of_b);

}  // namespace freshet
