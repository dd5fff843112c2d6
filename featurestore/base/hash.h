// xxh64, for fingerprints of records and versions of views. Its values are stored: never change the seed.
#pragma once

#include <cstdint>
#include <string_view>

namespace freshet {

uint64_t Hash64(std::string_view bytes, uint64_t seed = 0);
// Of a Kafka record's key and value; absent ones differ from empty ones.
uint64_t HashRecord(const std::string_view* key, const std::string_view* value);

}  // namespace freshet
