#include "featurestore/declare/scalar_place.h"

#include <algorithm>

#include "featurestore/base/utf8.h"

namespace freshet {
namespace {

constexpr std::string_view kSpaces = " \t";

// Walks the text as written beside the text as read, one character of the latter a step. What does not match ends the walk, so that
// text from elsewhere (a variable's) never gets a wrong place.
class Walk {
 public:
  Walk(std::string_view raw, std::string_view text) : raw_(raw), text_(text) {}

  // Bytes of `raw` before byte `offset` of the text; none where the two part before it.
  std::optional<size_t> To(size_t offset) {
    if (raw_.empty() || !Begin()) return std::nullopt;
    while (read_ < offset && read_ < text_.size()) {
      if (!Step()) return std::nullopt;
    }
    // A character that is written otherwise than it reads belongs to the text as well as any other.
    return Matches() ? std::optional(at_) : std::nullopt;
  }

 private:
  // To the first byte of the text.
  bool Begin() {
    style_ = raw_[0];
    if (style_ == '>') return false;
    if (style_ == '\'' || style_ == '"') at_ = 1;
    if (style_ != '|') return true;
    at_ = raw_.find('\n');
    if (at_ == std::string_view::npos) return false;
    ++at_;
    // The indentation is that of the first line with something in it, unless the header says how much: that is rare.
    if (raw_.substr(0, at_).find_first_of("123456789") != std::string_view::npos) return false;
    const size_t first = raw_.find_first_not_of(" \r\n", at_);
    if (first == std::string_view::npos) return false;
    indent_ = first - (raw_.rfind('\n', first) + 1);
    SkipIndent();
    return true;
  }

  void SkipIndent() {
    for (size_t i = 0; i < indent_ && at_ < raw_.size() && raw_[at_] == ' '; ++i) ++at_;
  }

  bool Matches() const {
    if (read_ >= text_.size()) return true;
    return at_ < raw_.size() && (raw_[at_] == text_[read_] || style_ == '"');
  }

  bool Step() {
    if (at_ >= raw_.size()) return false;
    if (style_ == '|') {
      if (raw_[at_] == '\r' && text_[read_] == '\n') ++at_;
      if (at_ >= raw_.size() || raw_[at_] != text_[read_]) return false;
      ++read_;
      if (raw_[at_++] == '\n') SkipIndent();
      return true;
    }
    if (style_ == '"' && raw_[at_] == '\\') return Escape();
    const size_t solid = raw_.find_first_not_of(kSpaces, at_);
    if (solid != std::string_view::npos && (raw_[solid] == '\n' || raw_[solid] == '\r'))
      return Fold();
    if (raw_[at_] != text_[read_]) return false;
    at_ += style_ == '\'' && raw_[at_] == '\'' ? 2 : 1;
    ++read_;
    return true;
  }

  // One line's end reads as a space, each further one as itself; spaces around go.
  bool Fold() {
    const size_t end = std::min(raw_.find_first_not_of(" \t\r\n", at_), raw_.size());
    const auto lines = std::count(raw_.begin() + static_cast<std::ptrdiff_t>(at_),
                                  raw_.begin() + static_cast<std::ptrdiff_t>(end), '\n');
    const std::string folded = lines == 1 ? " " : std::string(static_cast<size_t>(lines) - 1, '\n');
    if (text_.substr(read_, folded.size()) != folded) return false;
    at_ = end;
    read_ += folded.size();
    return true;
  }

  bool Escape() {
    if (at_ + 1 >= raw_.size()) return false;
    const char kind = raw_[at_ + 1];
    if (kind == '\n' || kind == '\r') {  // the line goes on, and nothing is read
      at_ = std::min(raw_.find_first_not_of(" \t\r\n", at_ + 1), raw_.size());
      return true;
    }
    at_ += kind == 'x' ? 4 : kind == 'u' ? 6 : kind == 'U' ? 10 : 2;
    read_ += std::max<size_t>(1, Utf8Length(text_, read_));
    return true;
  }

  std::string_view raw_;
  std::string_view text_;
  char style_ = 0;
  size_t indent_ = 0;
  size_t at_ = 0;    // in raw_
  size_t read_ = 0;  // in text_
};

}  // namespace

Place PlaceInScalar(const YamlNode& node, size_t offset) {
  Place place = node.place;
  if (place.line == 0) return place;
  const auto at = Walk(node.raw, node.text).To(std::min(offset, node.text.size()));
  if (!at) return place;
  for (const char c : node.raw.substr(0, *at)) {
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      ++place.column;
    }
  }
  return place;
}

}  // namespace freshet
