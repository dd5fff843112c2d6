// mistakes/ holds a project with one mistake of nearly every kind; each line says what must be reported of it.
#include <fmt/format.h>

#include <cctype>
#include <map>
#include <set>
#include <sstream>

#include "project_files.h"

namespace freshet {
namespace {

namespace fs = std::filesystem;

struct Expected {
  std::string file;
  int line = 0;
  int column = 0;
  std::string text;
};

// `#! 12 text | 30 text` behind a line.
std::vector<Expected> ReadExpected(const fs::path& folder) {
  std::vector<Expected> all;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path());
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      const size_t mark = line.find("#! ");
      if (mark == std::string::npos || line[0] == '#') continue;
      std::string rest = line.substr(mark + 3);
      while (!rest.empty()) {
        const size_t bar = rest.find(" | ");
        const std::string one = rest.substr(0, bar);
        const size_t space = one.find(' ');
        all.push_back({entry.path().string(), number, std::stoi(one.substr(0, space)),
                       one.substr(space + 1)});
        rest = bar == std::string::npos ? "" : rest.substr(bar + 3);
      }
    }
  }
  return all;
}

bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Words of the project itself: names, keys and values.
std::set<std::string> WordsOf(const fs::path& folder) {
  std::set<std::string> words;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      line.resize(std::min(line.size(), line.find('#')));
      std::string word;
      for (const char c : line + " ") {
        if (IsWord(c)) {
          word += c;
        } else if (!word.empty()) {
          words.insert(std::exchange(word, ""));
        }
      }
    }
  }
  return words;
}

// A message without what it says of this project: quoted texts, numbers, and the project's own words.
std::string KindOf(const std::string& text, const std::set<std::string>& words) {
  std::string kind;
  std::string word;
  bool quoted = false;
  for (const char c : text + " ") {
    if (IsWord(c) && !quoted) {
      word += c;
      continue;
    }
    if (!word.empty()) {
      const bool own = words.count(word) > 0 || std::isdigit(static_cast<unsigned char>(word[0]));
      kind += own ? "_" : word;
      word.clear();
    }
    if (c == '"') quoted = !quoted;
    if (!quoted || c == '"') kind += c;
  }
  return kind.substr(0, kind.find("; did you mean"));
}

}  // namespace

TEST_CASE("mistakes of at least 60 different kinds are told from each other") {
  const fs::path folder = fs::path(FRESHET_SOURCE_DIR) / "tests/unit/declare/mistakes";
  const Project project = LoadProject(folder);
  const std::set<std::string> words = WordsOf(folder);
  std::map<std::string, const Diagnostic*> kinds;
  for (const Diagnostic& error : project.errors) kinds.emplace(KindOf(error.text, words), &error);
  std::vector<const Diagnostic*> in_order;
  for (const auto& [kind, first] : kinds) in_order.push_back(first);
  std::sort(in_order.begin(), in_order.end(), [](const Diagnostic* a, const Diagnostic* b) {
    return std::tie(a->file, a->line, a->column) < std::tie(b->file, b->line, b->column);
  });
  for (const Diagnostic* first : in_order) {
    const std::string file = fs::path(first->file).filename().string();
    fmt::print("{}:{}:{}: {}\n", file, first->line, first->column, first->text);
  }
  fmt::print("{} mistakes of {} kinds, the first of each above\n", project.errors.size(),
             kinds.size());
  CHECK(kinds.size() >= 60);
}

TEST_CASE("all of a project's mistakes are reported in one go, each at its line and column") {
  const fs::path folder = fs::path(FRESHET_SOURCE_DIR) / "tests/unit/declare/mistakes";
  const std::vector<Expected> expected = ReadExpected(folder);
  REQUIRE(expected.size() >= 60);
  const Project project = LoadProject(folder);
  CHECK(project.catalog == nullptr);

  std::set<const Diagnostic*> met;
  for (const Expected& e : expected) {
    bool found = false;
    for (const Diagnostic& d : project.errors) {
      if (fs::absolute(d.file) != fs::path(e.file) || d.line != e.line || d.column != e.column)
        continue;
      if (d.text.find(e.text) == std::string::npos) continue;
      found = true;
      met.insert(&d);
    }
    INFO("not reported: " << e.file << ":" << e.line << ":" << e.column << ": " << e.text);
    CHECK(found);
  }
  for (const Diagnostic& d : project.errors) {
    INFO("not expected: " << ToString(d));
    CHECK(met.count(&d) == 1);
  }
}

TEST_CASE("mistakes are sorted by file and line") {
  const Project project = LoadProject(fs::path(FRESHET_SOURCE_DIR) / "tests/unit/declare/mistakes");
  for (size_t i = 1; i < project.errors.size(); ++i) {
    const Diagnostic& a = project.errors[i - 1];
    const Diagnostic& b = project.errors[i];
    CHECK(std::tie(a.file, a.line, a.column) <= std::tie(b.file, b.line, b.column));
  }
}

}  // namespace freshet
