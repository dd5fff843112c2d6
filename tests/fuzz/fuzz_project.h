// The project of tests/fuzz/project, and events for its views.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "featurestore/declare/catalog.h"
#include "featurestore/model/event.h"
#include "featurestore/state/row_layout.h"

namespace freshet::fuzz {

// About when the rows of the corpus end.
inline constexpr Timestamp kRowsEnd{1'767'614'400'000'000};  // 2026-01-05T12:00:00Z

std::string FuzzProjectText();
const Catalog& FuzzCatalog();  // loaded once

// Puts the layout's version tag where a row's bytes have it.
void SetVersionTag(const RowLayout& layout, std::string& bytes);

// Events of a view's source, the n-th always the same. Borrows the catalog.
class FuzzEvents {
 public:
  FuzzEvents(const Catalog& catalog, size_t view);
  // Lives until the next one is asked for.
  freshet::Event Event(uint64_t n, Timestamp time);

 private:
  const Source& source_;
  std::vector<Value> fields_;
  std::deque<std::string> texts_;
};

}  // namespace freshet::fuzz
