#include "featurestore/declare/substitute.h"

#include <fmt/format.h>

#include "featurestore/base/utf8.h"
#include "featurestore/declare/files.h"

namespace freshet {
namespace {

constexpr size_t kMaxSecretBytes = 64 << 10;
constexpr size_t kMaxSubstituted = 1 << 20;
constexpr std::string_view kFile = "file:";

bool IsVariable(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    if (c != '_' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z'))
      return false;
  }
  return true;
}

class Substituter {
 public:
  Substituter(const std::filesystem::path& folder, const Getenv& getenv, Diagnostics& diagnostics)
      : folder_(folder), getenv_(getenv), diagnostics_(diagnostics) {}

  void Walk(YamlNode& node) {
    if (node.kind == YamlNode::Kind::kScalar && node.text.find("${") != std::string::npos)
      Scalar(node);
    for (YamlNode& item : node.items) Walk(item);
    for (YamlEntry& entry : node.entries) Walk(entry.value);
  }

 private:
  void Scalar(YamlNode& node) {
    const std::string& text = node.text;
    std::string out;
    for (size_t i = 0; i < text.size();) {
      const size_t dollar = text.find("${", i);
      if (dollar == std::string::npos) {
        out += text.substr(i);
        break;
      }
      if (dollar > i && text[dollar - 1] == '$') {  // $${ is a plain ${
        out += text.substr(i, dollar - 1 - i) + "${";
        i = dollar + 2;
        continue;
      }
      out += text.substr(i, dollar - i);
      const size_t end = text.find('}', dollar);
      if (end == std::string::npos) {
        Bad(node, "${ is not closed; write ${NAME}, or $${ for a plain ${");
        return;
      }
      const std::string inside = text.substr(dollar + 2, end - dollar - 2);
      const auto value = Value(node, inside);
      if (!value) return;
      out += *value;
      if (out.size() > kMaxSubstituted) {
        Bad(node, "is too long with its variables filled in");
        return;
      }
      i = end + 1;
    }
    // A secret is never printed, and may be any bytes.
    if (!node.secret && FindInvalidUtf8(out) != std::string::npos) {
      Bad(node, "is not UTF-8 with its variables filled in");
      return;
    }
    node.text = std::move(out);
  }

  std::optional<std::string> Value(YamlNode& node, const std::string& inside) {
    if (inside.rfind(kFile, 0) == 0) {
      node.secret = true;
      const std::filesystem::path path = folder_ / inside.substr(kFile.size());
      auto bytes = ReadWholeFile(path, kMaxSecretBytes);
      if (!bytes.ok()) {
        Bad(node, fmt::format("${{{}}}: {}", inside, MessageOf(bytes.status())));
        return std::nullopt;
      }
      while (!bytes->empty() && (bytes->back() == '\n' || bytes->back() == '\r')) bytes->pop_back();
      return *std::move(bytes);
    }
    const size_t dash = inside.find(":-");
    const std::string name = inside.substr(0, dash);
    if (!IsVariable(name)) {
      Bad(node,
          fmt::format(
              "${{{}}} names no variable; write ${{NAME}}, ${{NAME:-default}} or ${{file:PATH}}",
              inside));
      return std::nullopt;
    }
    if (auto value = getenv_(name)) return value;
    if (dash != std::string::npos) return inside.substr(dash + 2);
    Bad(node, fmt::format("environment variable {} is not set; set it, or write ${{{}:-default}}",
                          name, name));
    return std::nullopt;
  }

  void Bad(YamlNode& node, std::string text) {
    node.bad = true;
    diagnostics_.Error(node.place, std::move(text));
  }

  const std::filesystem::path& folder_;
  const Getenv& getenv_;
  Diagnostics& diagnostics_;
};

}  // namespace

void Substitute(YamlNode& node, const std::filesystem::path& folder, const Getenv& getenv,
                Diagnostics& diagnostics) {
  Substituter(folder, getenv, diagnostics).Walk(node);
}

}  // namespace freshet
