// Names and keys of everything that is not a row (docs/storage_format.md).
#pragma once

#include <string>
#include <string_view>

#include "featurestore/base/coding.h"
#include "featurestore/model/event.h"

namespace freshet::keys {

// Column families; a view version's is `view@version`, and no fixed one has an @.
inline constexpr char kMeta[] = "default";
inline constexpr char kProgress[] = "progress";
inline constexpr char kDeadLetters[] = "dead_letters";
inline constexpr char kRefusals[] = "refusals";
inline constexpr char kLocalLog[] = "local_log";

inline std::string Family(std::string_view view, std::string_view version) {
  std::string name(view);
  name += '@';
  name += version;
  return name;
}

// In meta.
inline constexpr char kFormat[] = "format";
inline constexpr char kProject[] = "project";
inline constexpr char kViewPrefix[] = "view/";  // + name → the complete version
inline constexpr char kKeepPrefix[] = "keep/";  // + family → how long its rows were kept
inline constexpr char kLogPrefix[] = "log/";    // + source → logs
inline constexpr char kViewEnd[] = "view0";     // first key after all of kViewPrefix

// Progress: the family's name, then the partition.
inline std::string ProgressPrefix(std::string_view family) {
  std::string key;
  ByteWriter(key).LengthPrefixed(family);
  return key;
}
inline std::string ProgressKey(std::string_view family, int32_t partition) {
  std::string key = ProgressPrefix(family);
  ByteWriter(key).Ordered32(static_cast<uint32_t>(partition));
  return key;
}
// Beside it what each producer sent last: the same key and the producer's id, which is never empty.
inline std::string ProducerKey(std::string_view family, int32_t partition,
                               std::string_view producer) {
  std::string key = ProgressKey(family, partition);
  ByteWriter(key).Raw(producer);
  return key;
}
inline bool IsProducerKey(std::string_view key, std::string_view progress_prefix) {
  return key.size() > progress_prefix.size() + sizeof(uint32_t);
}

// Dead letters and refusals: the source, then the coordinates, in the order of the log.
inline std::string SourcePrefix(std::string_view source) {
  std::string key;
  ByteWriter(key).LengthPrefixed(source);
  return key;
}
inline std::string RecordKey(std::string_view source, const Coordinates& at) {
  std::string key = SourcePrefix(source);
  ByteWriter writer(key);
  writer.Ordered32(at.incarnation);
  writer.Ordered32(static_cast<uint32_t>(at.partition));
  writer.Ordered64(at.offset);
  return key;
}

// The local log: a source's bounds under its prefix alone, before its records, in the order of their offsets.
inline std::string LocalRecordKey(std::string_view source, int64_t offset) {
  std::string key = SourcePrefix(source);
  ByteWriter(key).Ordered64(offset);
  return key;
}

}  // namespace freshet::keys
