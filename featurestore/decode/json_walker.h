// A whole JSON text in one pass: every token is checked against RFC 8259, and the ones at declared paths are handed to
// the field reader. simdjson's first stage finds where tokens begin (and checks UTF-8, quotes and control characters) at
// several bytes a cycle; the grammar is checked here, since neither of simdjson's own second stages does what semantics.md
// asks: on-demand does not look at what it does not visit, dom copies and builds what nobody reads.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/decode/field_reader.h"
#include "featurestore/decode/json_shape.h"

namespace freshet {

// Declared paths as a tree of names.
struct PathNode {
  std::string name;
  std::vector<uint32_t> fields;    // that have their value here
  std::vector<PathNode> children;  // of the object that stands here
  uint64_t seen = 0;               // the walk that met it last: twice in one is a duplicate

  // Adds `path` below this node.
  void Add(std::span<const std::string> path, uint32_t field);
};

enum class WalkResult : uint8_t { kOk, kMalformed, kMistyped };

// Not thread-safe. Borrows `reader`.
class JsonWalker {
 public:
  explicit JsonWalker(FieldReader& reader);

  static constexpr int kMaxDepth = 64;

  // Values of fields below `root` are filled where the text has them, null where a null stands on their path; others are left as they
  // are. A malformed text is
  // that also where a field was mistyped before.
  WalkResult Walk(std::string_view text, PathNode& root, TextArena& arena, std::span<Value> values,
                  std::string& detail);
  // Of the text that was walked last and is not malformed: whether every text with other scalars in the same places is read by reading them alone.
  // No lists; and no null, object or bad value where others were declared.
  bool is_shape() const { return is_shape_; }
  std::span<const ScalarPlace> scalars() const { return scalars_; }

 private:
  bool Find(std::string_view text);
  JsonToken Token(uint32_t index) const;
  char CharAt(uint32_t index) const { return index < count_ ? text_[starts_[index]] : '\0'; }
  // Each reads from next_, leaves next_ behind what it read, and returns false where the text is malformed.
  bool Object(PathNode* node, int depth);
  bool List(PathNode* node, int depth);
  bool AnyValue(PathNode* node, int depth);
  bool Scalar(PathNode* node);
  PathNode* FindChild(PathNode& node, const JsonToken& name, size_t& hint);

  void Give(PathNode& node, const JsonToken& token);
  // What stands where an object was declared, for the fields in it.
  void GiveBelow(PathNode& node, const JsonToken& token);
  // The elements of the list that stands at `node`.
  void GiveList(PathNode& node);
  // A null stands where fields below `node` were declared: each is null, not absent.
  void SetNullBelow(const PathNode& node);
  // No object stands where fields below `node` were declared: false unless each of them takes that as null.
  bool TakeBadBelow(const PathNode& node);
  bool Fail(std::string what);

  FieldReader& reader_;
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stage1_;
  std::string scratch_;
  std::vector<JsonToken> elements_;  // of the list at hand
  uint64_t walk_ = 0;

  // Of the walk at hand.
  std::string_view text_;
  const uint32_t* starts_ = nullptr;
  uint32_t count_ = 0;
  uint32_t next_ = 0;
  bool any_escape_ = false;
  bool is_shape_ = false;
  std::vector<ScalarPlace> scalars_;
  TextArena* arena_ = nullptr;
  std::span<Value> values_;
  bool mistyped_ = false;
  std::string mistyped_detail_;
  std::string malformed_detail_;
};

}  // namespace freshet
