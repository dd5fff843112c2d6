#include "featurestore/ingest/split_events.h"

namespace freshet {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

bool IsSpace(char c) { return kSpace.find(c) != std::string_view::npos; }

class Splitter {
 public:
  explicit Splitter(std::string_view body) : body_(body) {}

  std::vector<std::string_view> Split() {
    if (body_.starts_with("\xef\xbb\xbf")) at_ = 3;  // a byte order mark
    Skip();
    const bool array = at_ < body_.size() && body_[at_] == '[';
    return array ? Array() : Lines();
  }

 private:
  void Skip() {
    while (at_ < body_.size() && IsSpace(body_[at_])) ++at_;
  }

  // An object or array to its end; anything else to one of `stops` outside of a string.
  std::string_view Value(std::string_view stops) {
    const size_t begin = at_;
    const bool nested = body_[at_] == '{' || body_[at_] == '[';
    int depth = 0;
    bool in_text = false;
    for (; at_ < body_.size(); ++at_) {
      const char c = body_[at_];
      if (in_text) {
        if (c == '\\') ++at_;
        in_text = c != '"';
        continue;
      }
      if (!nested && stops.find(c) != std::string_view::npos) break;
      in_text = c == '"';
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) {
        ++at_;
        break;
      }
    }
    if (at_ > body_.size()) at_ = body_.size();
    std::string_view value = body_.substr(begin, at_ - begin);
    while (!value.empty() && IsSpace(value.back())) value.remove_suffix(1);
    return value;
  }

  std::vector<std::string_view> Lines() {
    std::vector<std::string_view> events;
    for (Skip(); at_ < body_.size(); Skip()) events.push_back(Value("\n"));
    return events;
  }

  // What stands behind its end, or in the place of a comma, is an event of its own: a wrong one.
  std::vector<std::string_view> Array() {
    std::vector<std::string_view> events;
    ++at_;
    Skip();
    while (at_ < body_.size() && body_[at_] != ']') {
      if (body_[at_] == ',') {
        events.push_back(body_.substr(at_, 1));
        ++at_;
      } else {
        events.push_back(Value(",]"));
        Skip();
        if (at_ < body_.size() && body_[at_] == ',') {
          ++at_;
          Skip();
          if (at_ < body_.size() && body_[at_] == ']') events.push_back(body_.substr(at_ - 1, 0));
        }
      }
      Skip();
    }
    if (at_ == body_.size()) {
      events.push_back(body_.substr(at_, 0));  // it never ends
      return events;
    }
    ++at_;
    for (Skip(); at_ < body_.size(); Skip()) events.push_back(Value("\n"));
    return events;
  }

  const std::string_view body_;
  size_t at_ = 0;
};

}  // namespace

std::vector<std::string_view> SplitEvents(std::string_view body) { return Splitter(body).Split(); }

}  // namespace freshet
