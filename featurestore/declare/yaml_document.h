// One YAML file as a tree in which every key and every value knows its place. A small and safe YAML: one document,
// no anchors, no aliases, no tags, no double keys, text for keys, bounded in size and depth.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/declare/diagnostics.h"

namespace freshet {

inline constexpr size_t kMaxYamlBytes = 1 << 20;
inline constexpr size_t kMaxYamlNodes = 100'000;
inline constexpr size_t kMaxYamlDepth = 24;

struct YamlEntry;

struct YamlNode {
  enum class Kind : uint8_t { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  Place place;       // of the value; of its key where the value is empty
  std::string text;  // kScalar
  bool quoted = false;
  // The file's text from where the scalar begins to the file's end, for places inside of it; owned by Diagnostics. Empty: unknown.
  std::string_view raw;
  // Came (partly) out of a file by ${file:…}: never printed.
  bool secret = false;
  // A mistake in it was reported already: whoever needs the value goes without, and says nothing.
  bool bad = false;
  std::vector<YamlNode> items;     // kList
  std::vector<YamlEntry> entries;  // kMap, in the order written

  YamlNode* Find(std::string_view key);
  const YamlEntry* FindEntry(std::string_view key) const;
  // For messages: the text in quotes, *** for a secret, cut where it is long.
  std::string Shown() const;
};

struct YamlEntry {
  std::string key;
  Place key_place;
  YamlNode value;
};

// False, with an error reported, where the text cannot be read on. True otherwise, also where an error was reported
// that leaves the rest readable (a double key). An empty document is kNull. Diagnostics keeps a copy of the text.
bool ParseYaml(std::string_view text, const std::string* file, Diagnostics& diagnostics,
               YamlNode& root);

}  // namespace freshet
