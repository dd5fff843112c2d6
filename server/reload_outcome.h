// What came of reading the declaration anew on a running server.
#pragma once

#include <string>
#include <vector>

namespace freshet {

struct ReloadOutcome {
  bool accepted = false;
  std::vector<std::string> errors;    // why not: file:line:column, or a sentence
  std::vector<std::string> warnings;  // of the declaration
  std::vector<std::string> changes;   // what it means, in words
  bool waits = false;                 // views are built first; else it is served already
};

}  // namespace freshet
