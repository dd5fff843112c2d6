// Where a mistake of SQL is said to stand, however YAML writes the text.
#include "project_files.h"

namespace freshet {
namespace {

// What is said of a source's where; `written` begins in column 12 of line 8.
std::vector<std::string> Mistakes(const std::string& written,
                                  std::map<std::string, std::string> environment = {}) {
  const ProjectFiles files(R"(project: p
kafka: { brokers: embedded }
sources:
  s:
    topic: s
    timestamp: at
    fields: { at: timestamp, card: string, amount: double, merchant: string }
    where: )" + written + R"(
entities: { card: { keys: { card: string } } }
feature_views:
  v: { source: s, entity: card, features: { n: { aggregate: count, windows: [1h] } } }
)");
  return Shown(files.Load({}, std::move(environment)).errors);
}

const std::string kText = ": unknown column amout; did you mean amount?";
const std::string kPlain = kText +
                           "; write SQL in double quotes, since YAML ends unquoted text at , { } : "
                           "and #";

}  // namespace

TEST_CASE("a mistake of SQL stands where it was written, in every style of YAML") {
  const std::vector<std::pair<std::string, std::string>> table = {
      {R"("amout > 1")", "8:13" + kText},
      {R"("merchant = 'é' and amout > 1")", "8:32" + kText},
      {R"("merchant = \"x\" or amout > 1")", "8:24: unknown column x"},
      {R"("\x61mount > 1 and \u0061mout > 1")", "8:31" + kText},
      {R"("merchant = 'a\tb' and amout > 1")", "8:35" + kText},
      {R"('merchant <> ''test'' and amout > 1')", "8:38" + kText},
      {R"('amount > 1

       and amout > 1')",
       "10:12" + kText},
      {"\"amount > 1  \n      and amout > 2\"", "9:11" + kText},
      {"\"amount > 1 \\\n      and amout > 2\"", "9:11" + kText},
      {"amount > 1 and amout > 2", "8:27" + kPlain},
      {"amount > 1 and\n      amout > 2", "9:7" + kPlain},
      {"|-\n      amount > 1 and amout > 2", "9:22" + kText},
      {"|\n      amount > 1\n        and\n\n      amout > 2", "12:7" + kText},
      {"|-\r\n      amount > 1\r\n      and amout > 2", "10:11" + kText},
      {"\"amount > 1\r\n      and amout > 2\"", "9:11" + kText},
      // Not known: where the text begins.
      {">-\n      amount > 1\n      and amout > 2", "8:12" + kText},
      {R"("${WHO:-amount > 100 or } amout > 2")", "8:12" + kText},
      {R"("${FIRST} and amout > 2")", "8:12" + kText},
      // What stands before a variable is where it is.
      {R"("amout > 1 and ${FIRST}")", "8:13" + kText},
  };
  for (const auto& [written, expected] : table) {
    INFO(written);
    const auto told = Mistakes(written, {{"FIRST", "amount > 1"}});
    REQUIRE(told.size() == 1);
    CHECK(told[0].substr(0, expected.size()) == expected);
  }
}

TEST_CASE("a word too much stands where it was written, in capitals too") {
  CHECK(Mistakes(R"("amount > 5 AND amount < 7 Foo")") ==
        std::vector<std::string>{
            "8:39: an operator is missing before foo, or this word is too much"});
}

TEST_CASE("a bad field silences what is said about it and no other mistake of SQL") {
  const auto mistakes = [](const std::string& where) {
    const ProjectFiles files(R"(project: p
kafka: { brokers: embedded }
sources:
  s:
    topic: s
    timestamp: at
    fields: { at: timestamp, card: string, amount: double, a: strng }
    where: ")" + where + R"("
entities: { card: { keys: { card: string } } }
feature_views:
  v: { source: s, entity: card, features: { n: { aggregate: count, windows: [1h] } } }
)");
    return Shown(files.Load().errors);
  };
  CHECK(mistakes("a > 1").size() == 1);  // the field's own
  const auto told = mistakes("amuont > 1");
  REQUIRE(told.size() == 2);
  CHECK(told[1] == "8:13: unknown column amuont; did you mean amount?");
}

TEST_CASE("text that is no UTF-8 is refused wherever it comes from") {
  for (const std::string bad : {"\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80"}) {
    const auto told = Mistakes("\"merchant = '" + bad + "'\"");
    REQUIRE(told.size() == 1);
    CHECK(told[0].find("is not text; write the file in UTF-8") != std::string::npos);
    CHECK(told[0].rfind("8:25: ", 0) == 0);
    const auto of_variable = Mistakes(R"("merchant = '${X}'")", {{"X", bad}});
    REQUIRE(of_variable.size() == 1);
    CHECK(of_variable[0] == "8:12: is not UTF-8 with its variables filled in");
    const ProjectFiles files(kFirstExample);
    CHECK(Shown(files.Load({"sources.transactions.description=" + bad}).errors) ==
          std::vector<std::string>{"0:0: is not UTF-8"});
  }
}

}  // namespace freshet
