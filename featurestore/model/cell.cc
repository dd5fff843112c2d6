#include "featurestore/model/cell.h"

#include <array>

namespace freshet {

std::string_view CellStatusName(CellStatus status) {
  constexpr std::array<std::string_view, 7> kNames = {
      "UNSPECIFIED",     "PRESENT",         "NULL_VALUE", "NOT_FOUND",
      "OUTSIDE_MAX_AGE", "OUTSIDE_HISTORY", "ERROR"};
  return kNames[static_cast<size_t>(status)];
}

}  // namespace freshet
