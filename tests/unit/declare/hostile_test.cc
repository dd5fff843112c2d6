#include <chrono>
#include <random>

#include "project_files.h"

namespace freshet {
namespace {

std::string Repeat(const std::string& text, size_t bytes) {
  std::string out;
  while (out.size() + text.size() <= bytes) out += text;
  return out;
}

std::string FirstError(const std::string& yaml) {
  const Project project = ProjectFiles(yaml).Load();
  REQUIRE(!project.errors.empty());
  return Shown(project.errors)[0];
}

}  // namespace

TEST_CASE(
    "anchors, aliases, tags, double keys, second documents and other tricks are refused at their "
    "place") {
  CHECK(FirstError("a: &x 1\n").find("1:4: anchors") == 0);
  CHECK(FirstError("a: 1\nb: *x\n").find("2:") == 0);
  CHECK(FirstError("a: !!str 1\n").find("1:4: tags") == 0);
  CHECK(Shown(ProjectFiles("a: 1\na: 2\n").Load().errors).back() ==
        "2:1: key \"a\" stands here twice; the first is in line 1");
  CHECK(FirstError("a: 1\n---\nb: 1\n").find("2:1: a second document") == 0);
  CHECK(FirstError("[a]: 1\n").find("1:1: a key is one word") == 0);
  CHECK(FirstError(Repeat("[", 100)).find("nested more than 24 deep") != std::string::npos);
  CHECK(FirstError("a: \xff\n") == "1:4: byte 0xff is not text; write the file in UTF-8");
  CHECK(FirstError("- a\n").find("1:1: the file is a list") == 0);
  CHECK(FirstError("a: ['é', &x b]\n").find("1:10: anchors") == 0);  // characters, not bytes
  CHECK(FirstError(Repeat("# comment\n", (1 << 20) + 100)).find("is larger than 1048576 bytes") !=
        std::string::npos);
}

TEST_CASE("a megabyte of anything ends in seconds") {
  for (const std::string pattern : {"[", "{", "- ", "? ", "a:", "a: ", "{a: ", "[a,", "'", "\"",
                                    "%", "---\n", "&a ", "! ", "-\n", "\n", "a\n"}) {
    const auto begin = std::chrono::steady_clock::now();
    const Project project = ProjectFiles(Repeat(pattern, (1 << 20) - 8)).Load();
    INFO(pattern);
    CHECK(!project.errors.empty());
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  }
  CHECK(!ProjectFiles("a: [" + Repeat("1,", 1 << 19)).Load().errors.empty());
}

TEST_CASE("a megabyte of SQL ends in seconds: derived fields by the thousand, right and wrong") {
  const std::string head = R"(project: p
kafka: { brokers: embedded }
sources:
  s:
    topic: s
    timestamp: at
    fields: { at: timestamp, card: string, amount: double }
    derive:
)";
  const std::string tail = R"(
entities: { card: { keys: { card: string } } }
feature_views:
  v: { source: s, entity: card, features: { n: { aggregate: count, windows: [1h] } } }
)";
  for (const std::string sql : {"amount + 1", "amount + amuont_of_money_that_was_spent_then"}) {
    std::string derive;
    for (int i = 0; derive.size() < 900'000; ++i) {
      derive +=
          "      some_rather_long_name_of_a_field_" + std::to_string(i) + ": \"" + sql + "\"\n";
    }
    const auto begin = std::chrono::steady_clock::now();
    const Project project = ProjectFiles(head + derive + tail).Load();
    INFO(sql);
    CHECK(project.errors.empty() == (sql == "amount + 1"));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  }
  // A service's, of which each is a mistake and was compared with all before it.
  std::string derive;
  for (int i = 0; derive.size() < 900'000; ++i) {
    derive += "      d" + std::to_string(i) + ": \"" + (i % 2 == 0 ? "now" : "nwo") + "\"\n";
  }
  const auto begin = std::chrono::steady_clock::now();
  const Project project =
      ProjectFiles(Replaced(head, "    derive:\n", "") + tail +
                   "feature_services:\n  x:\n    features: [\"v:n_1h\"]\n    derive:\n" + derive)
          .Load();
  CHECK(!project.errors.empty());
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
}

TEST_CASE("random changes of a project never crash or hang, and what is wrong has a place") {
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const std::vector<std::string> pieces = {"{",
                                           "}",
                                           "[",
                                           "]",
                                           ":",
                                           ": ",
                                           ",",
                                           "\n",
                                           "  ",
                                           "- ",
                                           "? ",
                                           "|",
                                           ">",
                                           "'",
                                           "\"",
                                           "#",
                                           "&a ",
                                           "*a",
                                           "!",
                                           "%",
                                           "${",
                                           "${X}",
                                           "${X:-",
                                           "never",
                                           "lifetime",
                                           "1h",
                                           "-1",
                                           "0s",
                                           "null",
                                           "~",
                                           "99999999999999999999d",
                                           "\xff",
                                           "\t",
                                           "é",
                                           std::string(1, '\0')};
  ProjectFiles files;
  for (int round = 0; round < 400; ++round) {
    std::string text = kFirstExample;
    for (size_t n = random() % 6 + 1; n > 0; --n) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text.erase(at, random() % 12 + 1);
          break;
        case 1:
          text.insert(at, pieces[random() % pieces.size()]);
          break;
        case 2:
          text.insert(random() % text.size(), text.substr(at, random() % 40));
          break;
        default:
          text[at] = static_cast<char>(random() % 256);
      }
    }
    files.Write("freshet.yaml", text);
    const Project project = files.Load();
    CAPTURE(round, text);
    CHECK((project.catalog != nullptr) == project.errors.empty());
    for (const Diagnostic& d : project.errors) CHECK((d.line > 0 && d.column > 0));
  }
}

}  // namespace freshet
