#include "featurestore/declare/yaml_document.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "featurestore/base/utf8.h"

namespace freshet {
namespace {

// Thrown out of yaml-cpp's callbacks; caught in ParseYaml.
struct Refused {
  Place place;
  std::string text;
};

// Builds the tree from the parser's events, which (unlike YAML::Node's public face) give the place of every key
// before anything is looked up, and let us stop at the first node too many.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, const std::string* file, Diagnostics& diagnostics)
      : text_(text), file_(file), diagnostics_(diagnostics) {
    line_starts_.push_back(0);
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') line_starts_.push_back(i + 1);
    }
  }

  // yaml-cpp counts bytes; people and editors count characters.
  // Marks mostly go forward, so counting goes on where it stopped: a line of a megabyte is counted once.
  Place PlaceOf(const YAML::Mark& mark) {
    if (mark.is_null() || mark.line < 0) return {file_, 1, 1};
    const auto line = std::min(static_cast<size_t>(mark.line), line_starts_.size() - 1);
    const size_t begin = line_starts_[line];
    const size_t end = std::min(text_.size(), begin + static_cast<size_t>(mark.column));
    if (line != counted_line_ || end < counted_end_) {
      counted_line_ = line;
      counted_end_ = begin;
      counted_column_ = 1;
    }
    for (; counted_end_ < end; ++counted_end_) {
      if ((static_cast<unsigned char>(text_[counted_end_]) & 0xC0) != 0x80) ++counted_column_;
    }
    return {file_, static_cast<int>(line) + 1, counted_column_};
  }

  // The text from there on.
  std::string_view From(const YAML::Mark& mark) const {
    if (mark.is_null() || mark.line < 0) return {};
    const auto line = static_cast<size_t>(mark.line);
    if (line >= line_starts_.size()) return {};
    const size_t begin = line_starts_[line] + static_cast<size_t>(mark.column);
    return begin < text_.size() ? text_.substr(begin) : std::string_view();
  }

  std::string_view LineOf(const Place& place) const {
    const size_t begin = line_starts_[static_cast<size_t>(place.line) - 1];
    return text_.substr(begin, text_.find('\n', begin) - begin);
  }

  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) {
      throw Refused{PlaceOf(mark),
                    "a second document begins here; a file holds one, so remove this text"};
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node = Begin(mark, "", anchor, YamlNode::Kind::kNull);
    Add(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{PlaceOf(mark), "aliases (*name) are not supported; write the value out"};
  }
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    throw Refused{PlaceOf(mark),
                  fmt::format("anchors (&{}) are not supported; write the value out", name)};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = Begin(mark, tag, anchor, YamlNode::Kind::kScalar);
    node.text = value;
    node.raw = From(mark);
    node.quoted = tag == "!";
    Add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Begin(mark, tag, anchor, YamlNode::Kind::kList));
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Begin(mark, tag, anchor, YamlNode::Kind::kMap));
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Level {
    YamlNode node;
    std::optional<YamlNode> key;                 // of a map: read, its value not yet
    std::unordered_map<std::string, int> lines;  // of its keys
  };

  YamlNode Begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                 YamlNode::Kind kind) {
    if (++nodes_ > kMaxYamlNodes) {
      throw Refused{PlaceOf(mark),
                    fmt::format("more than {} values in one file; split it", kMaxYamlNodes)};
    }
    if (anchor != 0)
      throw Refused{PlaceOf(mark), "anchors (&name) are not supported; write the value out"};
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Refused{PlaceOf(mark), fmt::format("tags ({}) are not supported; remove it", tag)};
    }
    YamlNode node;
    node.kind = kind;
    node.place = PlaceOf(mark);
    return node;
  }

  void Open(YamlNode node) {
    if (levels_.size() >= kMaxYamlDepth) {
      throw Refused{node.place, fmt::format("nested more than {} deep", kMaxYamlDepth)};
    }
    levels_.push_back({std::move(node), std::nullopt, {}});
  }

  void Close() {
    YamlNode node = std::move(levels_.back().node);
    levels_.pop_back();
    Add(std::move(node));
  }

  void Add(YamlNode node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == YamlNode::Kind::kList) {
      level.node.items.push_back(std::move(node));
      return;
    }
    if (!level.key) {
      level.key = std::move(node);
      return;
    }
    YamlNode key = *std::exchange(level.key, std::nullopt);
    if (key.kind != YamlNode::Kind::kScalar) {
      Refuse(key.place, key.kind == YamlNode::Kind::kNull ? "a key is missing before this :"
                                                          : "a key is one word, not a list or map");
      return;
    }
    const auto [first, is_new] = level.lines.emplace(key.text, key.place.line);
    if (!is_new) {
      Refuse(key.place, fmt::format("key {} stands here twice; the first is in line {}",
                                    key.Shown(), first->second));
      return;
    }
    if (node.kind == YamlNode::Kind::kNull) node.place = key.place;
    level.node.entries.push_back({std::move(key.text), key.place, std::move(node)});
  }

  // A mistake that leaves the rest of the file readable.
  void Refuse(const Place& place, std::string text) { diagnostics_.Error(place, std::move(text)); }

  std::string_view text_;
  const std::string* file_;
  Diagnostics& diagnostics_;
  std::vector<size_t> line_starts_;
  std::vector<Level> levels_;
  YamlNode root_;
  size_t nodes_ = 0;
  size_t counted_line_ = 0;
  size_t counted_end_ = 0;
  int counted_column_ = 1;
  int documents_ = 0;
};

// The offset of the first byte that is not valid UTF-8 or is a control character; npos: none.
size_t FirstBadByte(std::string_view text) {
  const auto control = std::find_if(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t';
  });
  const size_t at =
      control == text.end() ? std::string_view::npos : static_cast<size_t>(control - text.begin());
  return std::min(at, FindInvalidUtf8(text));
}

// yaml-cpp's words for the mistakes that people make most, in ours.
std::string SyntaxError(const std::string& message, std::string_view line) {
  std::string text = "this is not valid YAML: " + message;
  if (line.find("${") != std::string_view::npos && line.find('"') == std::string_view::npos) {
    text += R"(; put ${…} in double quotes: "${NAME}")";
  } else if (line.find('\t') != std::string_view::npos) {
    text += "; indent with spaces, not with tabs";
  } else if (line.find_first_of("<>=") != std::string_view::npos) {
    text += "; put SQL in double quotes";
  }
  return text;
}

}  // namespace

YamlNode* YamlNode::Find(std::string_view key) {
  for (YamlEntry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

const YamlEntry* YamlNode::FindEntry(std::string_view key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string YamlNode::Shown() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
    case Kind::kScalar:
      break;
  }
  if (secret) return "***";
  constexpr size_t kMaxShown = 80;
  return fmt::format("\"{}\"", Shortened(text, kMaxShown));
}

bool ParseYaml(std::string_view text, const std::string* file, Diagnostics& diagnostics,
               YamlNode& root) {
  if (text.size() > kMaxYamlBytes) {
    diagnostics.Error({file, 1, 1},
                      fmt::format("the file has {} bytes, at most {} are read; split it",
                                  text.size(), kMaxYamlBytes));
    return false;
  }
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);  // a byte-order mark
  text = diagnostics.KeepText(std::string(text));
  TreeBuilder builder(text, file, diagnostics);
  if (const size_t bad = FirstBadByte(text); bad != std::string_view::npos) {
    YAML::Mark mark;
    mark.line =
        static_cast<int>(std::count(text.begin(), text.begin() + static_cast<long>(bad), '\n'));
    mark.column = static_cast<int>(bad - (text.rfind('\n', bad) + 1));
    diagnostics.Error(builder.PlaceOf(mark),
                      fmt::format("byte 0x{:02x} is not text; write the file in UTF-8",
                                  static_cast<unsigned char>(text[bad])));
    return false;
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    // Twice: what follows the first document is refused at its first token. (YAML::LoadAll, which reads on, can hang.)
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
  } catch (const Refused& refused) {
    diagnostics.Error(refused.place, refused.text);
    return false;
  } catch (const YAML::Exception& error) {
    const Place place = builder.PlaceOf(error.mark);
    diagnostics.Error(place, SyntaxError(error.msg, builder.LineOf(place)));
    return false;
  } catch (const std::exception& error) {  // what yaml-cpp lets through of the standard library's
    diagnostics.Error({file, 1, 1}, fmt::format("this is not valid YAML: {}", error.what()));
    return false;
  }
  root = builder.TakeRoot();
  return true;
}

}  // namespace freshet
