#include "featurestore/scenario/json_text.h"

#include <nlohmann/json.hpp>

namespace freshet {
namespace {

// JSON's grammar of numbers, without making one: 1e400 and 9007199254740993 stay as they are written.
bool IsJsonNumber(std::string_view text) {
  size_t i = 0;
  const auto digits = [&] {
    const size_t begin = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - begin;
  };
  if (i < text.size() && text[i] == '-') ++i;
  const size_t first = i;
  const size_t whole = digits();
  if (whole == 0 || (whole > 1 && text[first] == '0')) return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

std::string Quoted(const std::string& text) { return nlohmann::json(text).dump(); }

}  // namespace

void AppendJson(const YamlNode& node, std::string& out) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      out += "null";
      return;
    case YamlNode::Kind::kScalar:
      if (!node.quoted &&
          (node.text == "true" || node.text == "false" || IsJsonNumber(node.text))) {
        out += node.text;
      } else {
        out += Quoted(node.text);
      }
      return;
    case YamlNode::Kind::kList: {
      out += '[';
      for (size_t i = 0; i < node.items.size(); ++i) {
        if (i > 0) out += ',';
        AppendJson(node.items[i], out);
      }
      out += ']';
      return;
    }
    case YamlNode::Kind::kMap: {
      out += '{';
      for (size_t i = 0; i < node.entries.size(); ++i) {
        if (i > 0) out += ',';
        out += Quoted(node.entries[i].key) + ":";
        AppendJson(node.entries[i].value, out);
      }
      out += '}';
      return;
    }
  }
}

}  // namespace freshet
