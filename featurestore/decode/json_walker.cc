#include "featurestore/decode/json_walker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "featurestore/decode/json_text.h"

namespace freshet {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

std::string_view Stage1Message(simdjson::error_code error) {
  switch (error) {
    case simdjson::EMPTY:
      return "the text is empty";
    case simdjson::UTF8_ERROR:
      return "the text is not UTF-8";
    case simdjson::UNCLOSED_STRING:
      return "a string is not closed";
    case simdjson::UNESCAPED_CHARS:
      return "a string holds a control character that is not escaped";
    default:
      return "the text is not JSON";
  }
}

}  // namespace

void PathNode::Add(std::span<const std::string> path, uint32_t field) {
  if (path.empty()) {
    fields.push_back(field);
    return;
  }
  for (PathNode& child : children) {
    if (child.name == path[0]) return child.Add(path.subspan(1), field);
  }
  children.emplace_back().name = path[0];
  children.back().Add(path.subspan(1), field);
}

JsonWalker::JsonWalker(FieldReader& reader) : reader_(reader) {}

bool JsonWalker::Fail(std::string what) {
  if (malformed_detail_.empty()) {
    const size_t at = next_ < count_ ? starts_[next_] : text_.size();
    malformed_detail_ = fmt::format("{} at byte {} of {}", what, at, text_.size());
  }
  return false;
}

bool JsonWalker::Find(std::string_view text) {
  text_ = text;
  count_ = next_ = 0;
  if (text.empty()) return Fail("the text is empty");
  if (stage1_ == nullptr) {
    const auto error = simdjson::get_active_implementation()->create_dom_parser_implementation(
        4096, kMaxDepth, stage1_);
    if (error != simdjson::SUCCESS) return Fail("no memory for the text");
  }
  if (text.size() > stage1_->capacity() &&
      stage1_->set_capacity(text.size()) != simdjson::SUCCESS) {
    return Fail("the text is too long");
  }
  const auto error = stage1_->stage1(reinterpret_cast<const uint8_t*>(text.data()), text.size(),
                                     simdjson::stage1_mode::regular);
  if (error != simdjson::SUCCESS) return Fail(std::string(Stage1Message(error)));
  starts_ = stage1_->structural_indexes.get();
  count_ = stage1_->n_structural_indexes;
  any_escape_ = std::memchr(text.data(), '\\', text.size()) != nullptr;
  return true;
}

// A token reaches to the next one, without the white space between.
JsonToken JsonWalker::Token(uint32_t index) const {
  const size_t begin = starts_[index];
  size_t end = index + 1 < count_ ? starts_[index + 1] : text_.size();
  while (end > begin + 1 && IsSpace(text_[end - 1])) --end;
  const std::string_view token = text_.substr(begin, end - begin);
  const bool escapes = any_escape_ && token[0] == '"' && token.find('\\') != std::string_view::npos;
  return {token, escapes};
}

WalkResult JsonWalker::Walk(std::string_view text, PathNode& root, TextArena& arena,
                            std::span<Value> values, std::string& detail) {
  ++walk_;
  arena_ = &arena;
  values_ = values;
  mistyped_ = false;
  malformed_detail_.clear();
  is_shape_ = true;
  scalars_.clear();
  bool ok = Find(text);
  if (ok && CharAt(0) != '{') {
    ok = Fail(fmt::format("an event is a JSON object, this is {}", FoundText(Token(0).text)));
  }
  ok = ok && Object(&root, 1);
  if (ok && next_ != count_) ok = Fail("something stands after the object");
  if (!ok) {
    detail = malformed_detail_;
    return WalkResult::kMalformed;
  }
  if (mistyped_) {
    detail = mistyped_detail_;
    return WalkResult::kMistyped;
  }
  return WalkResult::kOk;
}

PathNode* JsonWalker::FindChild(PathNode& node, const JsonToken& token, size_t& hint) {
  std::string_view name = token.text.substr(1, token.text.size() - 2);
  if (token.has_escapes) {
    scratch_.clear();
    if (!Unescape(name, scratch_)) return nullptr;  // Object has checked it
    name = scratch_;
  }
  // Producers write the fields of one topic in one order: the child after the last one found is nearly always it.
  const size_t count = node.children.size();
  for (size_t i = 0; i < count; ++i) {
    const size_t index = hint + i < count ? hint + i : hint + i - count;
    if (node.children[index].name == name) {
      hint = index + 1 == count ? 0 : index + 1;
      return &node.children[index];
    }
  }
  return nullptr;
}

bool JsonWalker::Object(PathNode* node, int depth) {
  if (depth > kMaxDepth) return Fail(fmt::format("nested deeper than {} levels", kMaxDepth));
  ++next_;
  if (CharAt(next_) == '}') {
    ++next_;
    return true;
  }
  size_t hint = 0;
  while (true) {
    if (CharAt(next_) != '"') return Fail("a name in quotes is missing");
    const JsonToken name = Token(next_);
    if (name.has_escapes) {
      scratch_.clear();
      if (!Unescape(name.text.substr(1, name.text.size() - 2), scratch_)) {
        return Fail("a name has an escape that is not JSON");
      }
    }
    PathNode* child = node != nullptr ? FindChild(*node, name, hint) : nullptr;
    if (child != nullptr) {
      if (child->seen == walk_) {
        return Fail(fmt::format("the name {} occurs twice", FoundText(name.text)));
      }
      child->seen = walk_;
    }
    ++next_;
    if (CharAt(next_) != ':') return Fail("a colon is missing");
    ++next_;
    if (!AnyValue(child, depth)) return false;
    const char after = CharAt(next_);
    if (after == ',') {
      ++next_;
      continue;
    }
    if (after != '}') return Fail("a comma or closing brace is missing");
    ++next_;
    return true;
  }
}

bool JsonWalker::List(PathNode* node, int depth) {
  is_shape_ = false;
  if (depth > kMaxDepth) return Fail(fmt::format("nested deeper than {} levels", kMaxDepth));
  ++next_;
  if (node != nullptr) elements_.clear();
  if (CharAt(next_) == ']') {
    ++next_;
    if (node != nullptr) GiveList(*node);
    return true;
  }
  while (true) {
    if (node != nullptr && next_ < count_) {
      const char first = CharAt(next_);
      elements_.push_back(first == '{'   ? JsonToken{"{"}
                          : first == '[' ? JsonToken{"["}
                                         : Token(next_));
    }
    if (!AnyValue(nullptr, depth)) return false;
    const char after = CharAt(next_);
    if (after == ',') {
      ++next_;
      continue;
    }
    if (after != ']') return Fail("a comma or closing bracket is missing");
    ++next_;
    if (node != nullptr) GiveList(*node);
    return true;
  }
}

bool JsonWalker::AnyValue(PathNode* node, int depth) {
  switch (CharAt(next_)) {
    case '{':
      if (node != nullptr && !node->fields.empty()) {
        is_shape_ = false;
        Give(*node, {"{"});
      }
      return Object(node, depth + 1);
    case '[':
      return List(node, depth + 1);
    default:
      return Scalar(node);
  }
}

bool JsonWalker::Scalar(PathNode* node) {
  if (next_ >= count_) return Fail("the text ends too early");
  const JsonToken token = Token(next_);
  switch (token.text[0]) {
    case '"':
      if (token.has_escapes) {
        scratch_.clear();
        if (!Unescape(token.text.substr(1, token.text.size() - 2), scratch_)) {
          return Fail("a string has an escape that is not JSON");
        }
      }
      break;
    case 't':
      if (token.text != "true") return Fail("an unknown word");
      break;
    case 'f':
      if (token.text != "false") return Fail("an unknown word");
      break;
    case 'n':
      if (token.text != "null") return Fail("an unknown word");
      break;
    default:
      if (ClassifyNumber(token.text) == JsonNumber::kNone) {
        return Fail(fmt::format("{} is not a value", FoundText(token.text)));
      }
  }
  ++next_;
  const uint32_t begin = static_cast<uint32_t>(token.text.data() - text_.data());
  scalars_.push_back({begin, begin + static_cast<uint32_t>(token.text.size()),
                      node != nullptr ? &node->fields : nullptr});
  if (node != nullptr) {
    is_shape_ = is_shape_ && node->children.empty();
    Give(*node, token);
  }
  return true;
}

bool JsonWalker::TakeBadBelow(const PathNode& node) {
  return std::all_of(node.children.begin(), node.children.end(), [this](const PathNode& child) {
    const bool taken =
        std::all_of(child.fields.begin(), child.fields.end(),
                    [this](uint32_t field) { return reader_.TakeBad(field, values_[field]); });
    return taken && TakeBadBelow(child);
  });
}

void JsonWalker::SetNullBelow(const PathNode& node) {
  for (const PathNode& child : node.children) {
    for (const uint32_t field : child.fields) values_[field] = Value();
    SetNullBelow(child);
  }
}

void JsonWalker::GiveList(PathNode& node) {
  for (const uint32_t field : node.fields) {
    if (mistyped_) return;
    const bool read =
        reader_.TakesList(field)
            ? reader_.ReadList(field, elements_, *arena_, values_[field], mistyped_detail_)
            : reader_.Read(field, {"["}, *arena_, values_[field], mistyped_detail_);
    mistyped_ = !read;
  }
  if (!mistyped_) GiveBelow(node, {"["});
}

// The first mistyped field is the one that is reported; the text is read on, since malformed goes before mistyped.
void JsonWalker::Give(PathNode& node, const JsonToken& token) {
  if (mistyped_) return;
  for (const uint32_t field : node.fields) {
    if (!reader_.Read(field, token, *arena_, values_[field], mistyped_detail_)) {
      mistyped_ = true;
      return;
    }
  }
  GiveBelow(node, token);
}

void JsonWalker::GiveBelow(PathNode& node, const JsonToken& token) {
  if (node.children.empty() || token.text[0] == '{') return;
  if (token.text[0] == 'n') return SetNullBelow(node);
  if (TakeBadBelow(node)) return;
  mistyped_ = true;
  mistyped_detail_ = fmt::format("{} is {}; an object with {} was declared there", node.name,
                                 FoundText(token.text), node.children[0].name);
}

}  // namespace freshet
