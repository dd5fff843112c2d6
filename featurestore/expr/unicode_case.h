// Lower and upper case of one Unicode character, where that is one character (`ß` stays `ß`).
#pragma once

#include <cstdint>

namespace freshet::expr {

uint32_t ToLower(uint32_t c);
uint32_t ToUpper(uint32_t c);

}  // namespace freshet::expr
