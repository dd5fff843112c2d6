#include "featurestore/base/hash.h"

#include <xxhash.h>

namespace freshet {

uint64_t Hash64(std::string_view bytes, uint64_t seed) {
  return XXH64(bytes.data(), bytes.size(), seed);
}

uint64_t HashRecord(const std::string_view* key, const std::string_view* value) {
  const uint64_t key_hash = key != nullptr ? Hash64(*key, 1) : 0;
  return value != nullptr ? Hash64(*value, key_hash) : ~key_hash;
}

}  // namespace freshet
