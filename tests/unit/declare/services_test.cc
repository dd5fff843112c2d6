// Roles, inputs, derived features and count_request in a declaration.
#include "project_files.h"

namespace freshet {
namespace {

// `service`: the lines of service s, from column 5 on; the first stands in line 27.
std::string Bank(const std::string& service) {
  return R"yaml(project: bank
kafka: { brokers: embedded }
sources:
  transfers:
    topic: transfers
    timestamp: at
    fields: { at: timestamp, sender_id: string, receiver_id: string, amount: double, memo: string }
    derive: { eur: "amount * 0.92" }
  logins: { topic: logins, timestamp: kafka, fields: { account: string } }
entities:
  account: { keys: { account: string } }
feature_views:
  activity:
    source: transfers
    entity: account
    keys: { account: sender_id }
    where: "eur > 1"
    features:
      sent: { aggregate: sum, of: amount, windows: [1h, 24h] }
      memo: { aggregate: last, of: memo, windows: [1h] }
  visits:
    source: logins
    entity: account
    features: { logins: { aggregate: count, windows: [1h] } }
feature_services:
  s:
)yaml" + service;
}

std::vector<std::string> Mistakes(const std::string& service) {
  const ProjectFiles files(Bank(service));
  return Shown(files.Load().errors);
}

const FeatureService& ServiceOf(const Catalog& catalog) { return catalog.services.at(0); }

}  // namespace

TEST_CASE("a view is served several times, in roles with other keys, as role:feature") {
  const ProjectFiles files(Bank(R"yaml(    features:
      - { view: activity, as: sender, keys: { account: sender_id }, features: [sent_24h] }
      - { view: activity, as: receiver, keys: { account: receiver_id }, features: [sent_24h, sent_1h] }
      - visits
    open: true
    request: { amount: double }
    derive: { share: "amount / nullif(sender.sent_24h, 0)", much: "share > 2 or logins_1h > 3 or receiver.sent_1h > amount" }
)yaml"));
  const auto catalog = Sound(files.Load());
  const FeatureService& service = ServiceOf(*catalog);
  std::vector<std::string> names;
  for (const ServedFeature& feature : service.features) names.push_back(feature.name);
  CHECK(names == std::vector<std::string>{"sender:sent_24h", "receiver:sent_24h",
                                          "receiver:sent_1h", "logins_1h"});
  REQUIRE(service.views.size() == 3);
  CHECK(service.views[0].role == "sender");
  CHECK(service.views[1].keys == std::vector<std::string>{"receiver_id"});
  CHECK(service.views[2].keys == std::vector<std::string>{"account"});
  REQUIRE(service.derived.size() == 2);
  CHECK(service.derived[0].type == Type::kDouble);
  CHECK(service.derived[1].type == Type::kBool);
  CHECK_FALSE(service.event);
}

TEST_CASE("a whole view in the map form is warned about unless open is true") {
  for (const bool role : {false, true}) {
    const std::string entry = role ? "{ view: visits, as: guest }" : "visits";
    const ProjectFiles closed(Bank("    features: [" + entry + "]\n"));
    const Project project = closed.Load();
    REQUIRE(project.warnings.size() == 1);
    CHECK(project.warnings[0].text.find("add open: true") != std::string::npos);
    const ProjectFiles open(Bank("    features: [" + entry + "]\n    open: true\n"));
    CHECK(open.Load().warnings.empty());
  }
}

TEST_CASE(
    "count_request takes each field from the input or the key of its name, else from the key of "
    "its view") {
  const ProjectFiles files(
      Bank(R"yaml(    features: ["activity:sent_1h", "activity:memo_1h", visits]
    open: true
    request: { amount: double, memo: string }
    count_request: transfers
)yaml"));
  const auto catalog = Sound(files.Load());
  const FeatureService& service = ServiceOf(*catalog);
  REQUIRE(service.event);
  REQUIRE(service.event->given.size() == 3);
  CHECK(service.event->given[0].field == 1);
  CHECK(service.event->given[0].key ==
        "account");  // the only view with key field sender_id asks by it
  CHECK(service.event->given[1].input == 0);
  CHECK(service.event->given[2].input == 1);
}

TEST_CASE("a field that no served feature reads need not be an input") {
  const ProjectFiles files(Bank(R"yaml(    features: ["activity:sent_1h"]
    request: { amount: double }
    count_request: transfers
)yaml"));
  CHECK(ServiceOf(*Sound(files.Load())).event);
}

TEST_CASE("each mistake in a service is told at its place, with what would do") {
  const std::string activity = "    features: [\"activity:sent_1h\", \"activity:memo_1h\"]\n";
  const std::vector<std::pair<std::string, std::vector<std::string>>> table = {
      // Roles.
      {"    features: [{ view: activity, as: sender, keys: { acount: x } }]\n    open: true\n",
       {"27:54: entity account has no key acount; did you mean account?"}},
      {"    features: [{ view: activity, as: visits }]\n    open: true\n",
       {"27:38: role visits is the name of a feature view, and view:feature would mean both; use "
        "another"}},
      {"    features: [\"activity:sent_1h\", { view: activity, keys: { account: other }, features: "
       "[sent_24h] }]\n",
       {"27:36: view activity is in service s without a role by other keys already; give each a "
        "role of its own: as: …"}},
      {"    features: [{ view: activity, as: a, features: [sent_1h, sent_1h] }]\n",
       {"27:61: activity:sent_1h is in service s twice; the first is at "}},
      {"    features: [{ view: activity, as: a, feature: [sent_1h] }]\n",
       {"27:41: unknown key feature; did you mean features?"}},
      // Inputs.
      {activity + "    request: { amount: dbl }\n",
       {"28:24: unknown type \"dbl\"; one of: bool, int64"}},
      {activity + "    request: { now: timestamp }\n",
       {"28:16: now is the read's time in every service; give the input another name"}},
      {activity + "    request: { account: string }\n",
       {"28:16: account is a key of service s already, and comes with every request; remove it, or "
        "give the input another name"}},
      {activity + "    request: { memo_1h: string }\n    derive: { x: \"memo_1h\" }\n",
       {"29:19: memo_1h could be activity.memo_1h or request.memo_1h: write which"}},
      {"    features: [{ view: activity, as: request, features: [sent_1h] }]\n",
       {"27:38: role request would read as what comes with the request; use another"}},
      // Derived features.
      {activity + "    derive: { x: \"sent_2h / 2\" }\n",
       {"28:19: unknown column sent_2h; did you mean sent_1h?"}},
      {activity + "    derive: { x: \"1 + memo_1h\" }\n",
       {"28:21: + wants two numbers, not int64 and string; cast(… as double) reads the text as a "
        "number"}},
      {activity + "    derive: { sent_1h: \"1\" }\n",
       {"28:15: service s has sent_1h already (a feature); derive it under another name"}},
      {activity + "    request: { a: int64 }\n    derive: { a: \"1\", now: \"2\" }\n",
       {"29:15: service s has a already (an input)",
        "29:23: service s has now already (the read's time)"}},
      {activity + "    derive: { b: \"c + 1\", c: \"1\" }\n", {"28:19: unknown column c"}},
      {"    features: [{ view: activity, as: sender, features: [sent_1h] }]\n    derive: { x: "
       "\"receiver.sent_1h\" }\n",
       {"28:19: unknown column receiver.sent_1h; did you mean sender.sent_1h?"}},
      // count_request.
      {activity + "    count_request: transfer\n",
       {"28:20: unknown source transfer; did you mean transfers?"}},
      {activity + "    count_request: logins\n",
       {"28:20: no view of service s is computed of source logins; its views are of transfers"}},
      {activity + "    request: { amount: double }\n    count_request: transfers\n",
       {"29:20: count_request needs field memo of source transfers, which feature memo_1h of view "
        "activity reads; add memo: string to request"}},
      {"    features: [\"activity:memo_1h\"]\n    request: { memo: string }\n    count_request: "
       "transfers\n",
       {"29:20: count_request needs field amount of source transfers, which eur of source "
        "transfers reads; add amount: double to request"}},
      {activity + "    request: { amount: string, memo: string }\n    count_request: transfers\n",
       {"29:20: input amount is a string, and field amount of source transfers a double; "
        "count_request needs them alike"}},
      {activity + "    request: { amount: double, memo: string, eur: double }\n    count_request: "
                  "transfers\n",
       {"29:20: input eur is what source transfers derives; leave it out of request, and give what "
        "it is derived of"}},
      {activity + "    request: { amount: double, memo: string, at: timestamp }\n    "
                  "count_request: transfers\n",
       {"29:20: input at is the time of source transfers's events"}},
      {"    features:\n      - { view: activity, as: a, keys: { account: x }, features: [sent_1h] "
       "}\n"
       "      - { view: activity, as: b, keys: { account: y }, features: [sent_1h] }\n"
       "    request: { amount: double }\n    count_request: transfers\n",
       {"31:20: count_request needs field sender_id of source transfers, which the key of view "
        "activity reads; add sender_id: string to request"}},
  };
  for (const auto& [service, expected] : table) {
    INFO(service);
    const std::vector<std::string> told = Mistakes(service);
    REQUIRE(told.size() == expected.size());
    for (size_t i = 0; i < told.size(); ++i) {
      INFO(told[i]);
      CHECK(told[i].rfind(expected[i], 0) == 0);
    }
  }
}

TEST_CASE(
    "a mistake in a service hides none of the others, and is not told again by what follows from "
    "it") {
  const std::string sent = "    features: [\"activity:sent_1h\"]\n";
  const std::vector<std::pair<std::string, std::vector<std::string>>> table = {
      // A feature that is not there: x is of it.
      {"    features: [\"activity:sent_1h\", \"activity:sent_2h\"]\n"
       "    derive: { x: \"sent_2h + 1\", y: \"memo\", z: \"sent_1h +\" }\n",
       {"27:36: view activity has no feature sent_2h", "28:37: unknown column memo",
        "28:57: syntax error"}},
      // A view that is not there, whose features may have any name.
      {"    features: [activty]\n    derive: { x: \"sent_1h\", y: \"1 + 'a'\" }\n",
       {"27:16: unknown feature view activty", "28:35: + wants two numbers"}},
      {"    features: [\"activty:sent_1h\"]\n    derive: { x: \"sent_1h\", y: \"sent_24h\" }\n",
       {"27:16: unknown feature view activty", "28:33: unknown column sent_24h"}},
      {"    features: [{ view: activity, as: visits, features: [sent_1h] }]\n"
       "    derive: { x: \"visits.sent_1h\", y: \"visits.sent_24h\" }\n",
       {"27:38: role visits is the name of a feature view",
        "28:40: unknown column visits.sent_24h"}},
      {"    features: [{ view: activity, as: visits }]\n    open: true\n"
       "    derive: { x: \"visits.sent_1h\", y: \"visits.sent_2h\" }\n",
       {"27:38: role visits is the name of a feature view",
        "29:40: unknown column visits.sent_2h"}},
      // No list of features.
      {"    request: { n: int64 }\n    derive: { x: \"anything\", y: \"n +\" }\n",
       {"26:3: a feature service needs features", "28:37: syntax error"}},
      // An input that is not there.
      {sent + "    request: { amount: dbl }\n    derive: { x: \"amount * 2\", y: \"amont\" }\n",
       {"28:24: unknown type \"dbl\"", "29:36: unknown column amont"}},
      // What is derived of what failed.
      {sent + "    derive: { a: \"1 + 'x'\", b: \"a + 1\", c: \"b + d\", d: \"sent_1h + e\" }\n",
       {"28:21: + wants two numbers", "28:67: unknown column e"}},
      // count_request beside each of these.
      {"    features: [\"activity:memo_1h\"]\n    request: { amount: double }\n"
       "    derive: { x: \"1 +\" }\n    count_request: transfers\n",
       {"29:22: syntax error", "30:20: count_request needs field memo of source transfers"}},
      {"    features: [\"activity:memo_1h\"]\n    request: { memo: strng }\n    count_request: "
       "transfers\n",
       {"28:22: unknown type \"strng\"",
        "29:20: count_request needs field amount of source transfers"}},
      {"    features: [activty]\n    count_request: transfers\n",
       {"27:16: unknown feature view activty"}},
      {"    features: [activty, \"activity:memo_1h\"]\n    request: { eur: double }\n    "
       "count_request: transfers\n",
       {"27:16: unknown feature view activty",
        "29:20: input eur is what source transfers derives"}},
  };
  for (const auto& [service, expected] : table) {
    INFO(service);
    const std::vector<std::string> told = Mistakes(service);
    for (const std::string& one : told) UNSCOPED_INFO(one);
    REQUIRE(told.size() == expected.size());
    for (size_t i = 0; i < told.size(); ++i) {
      INFO(told[i]);
      CHECK(told[i].rfind(expected[i], 0) == 0);
    }
  }
}

TEST_CASE("a mistake in a feature or a source is not told again by what a service says of it") {
  const auto told = [](const std::string& from, const std::string& to, const std::string& service) {
    const ProjectFiles files(Replaced(Bank(service), from, to));
    return Shown(files.Load().errors);
  };
  const std::string derive =
      "    features: [activity]\n    open: true\n    derive: { x: \"sent_1h\", y: \"memo_2h\" }\n";
  // What begins as sent does may be one of it; memo has no mistake.
  auto mistakes = told("aggregate: sum", "aggregate: sun", derive);
  REQUIRE(mistakes.size() == 2);
  CHECK(mistakes[1].rfind("29:33: unknown column memo_2h", 0) == 0);
  // Under a name of its own, too.
  mistakes = told("aggregate: sum, of: amount, windows: [1h, 24h]",
                  "aggregate: sun, of: amount, windows: [1h, { sliding: 2h, as: lately }]",
                  "    features: [\"activity:lately\"]\n    derive: { x: \"lately + 1\" }\n");
  CHECK(mistakes.size() == 1);
  // Of a view whose source is not known: whether it is the one of count_request.
  mistakes = told("source: transfers", "source: transfer",
                  "    features: [activity]\n    open: true\n    count_request: transfers\n");
  REQUIRE(mistakes.size() == 1);
  CHECK(mistakes[0].find("unknown source transfer;") != std::string::npos);
}

TEST_CASE(
    "a view whose source or entity is unknown has its SQL and its keys checked all the same") {
  const auto told = [](std::string text) {
    return Shown(ProjectFiles(std::move(text)).Load().errors);
  };
  const std::string sound = Bank("    features: [\"activity:sent_1h\"]\n");
  auto mistakes = told(Replaced(Replaced(sound, "source: transfers", "source: transfer"),
                                "where: \"eur > 1\"", "where: \"eur >\""));
  REQUIRE(mistakes.size() == 2);
  CHECK(mistakes[1].rfind("17:18: syntax error", 0) == 0);
  mistakes = told(Replaced(Replaced(sound, "source: transfers", "source: transfer"),
                           "of: amount, windows", "of: amount, where: \"1 = 'a'\", windows"));
  REQUIRE(mistakes.size() == 2);
  CHECK(mistakes[1].rfind("19:53: cannot compare int64 with string", 0) == 0);
  mistakes = told(Replaced(sound, "entity: account\n    keys: { account: sender_id }",
                           "entity: acount\n    keys: { account: sendr }"));
  REQUIRE(mistakes.size() == 2);
  CHECK(mistakes[1].rfind("16:22: unknown field sendr of source transfers", 0) == 0);
}

namespace {

// Views called request, and with a feature called now; a source whose fields have names of keys.
std::string Captured(const std::string& service) {
  return R"yaml(project: p
kafka: { brokers: embedded }
sources:
  s:
    topic: s
    timestamp: at
    fields: { at: timestamp, card: string, card_number: string, n: int64 }
entities:
  card: { keys: { card: string } }
feature_views:
  v:
    source: s
    entity: card
    keys: { card: card_number }
    ttl: never
    features:
      x: { aggregate: count, windows: [{ sliding: 1h, as: now }] }
      visa: { aggregate: count, where: "card = 'visa'", windows: [1h] }
      all: { aggregate: count, windows: [1h] }
  request: { source: s, entity: card, ttl: never, features: { n: { aggregate: last, of: n } } }
feature_services:
  svc:
)yaml" + service;
}

std::vector<std::string> CapturedMistakes(const std::string& service) {
  return Shown(ProjectFiles(Captured(service)).Load().errors);
}

}  // namespace

TEST_CASE("a feature called now, or of a view called request, is not confused with what is asked") {
  CHECK(CapturedMistakes(R"(    features: ["v:all_1h", "v:now"]
    derive: { a: "now" }
)") == std::vector<std::string>{
           "23:28: feature now of view v would read as the read's time in derive; serve view v in "
           "a role: { view: v, as: … }"});
  CHECK(CapturedMistakes(R"(    features: ["v:all_1h", "request:n"]
    request: { n: int64 }
    derive: { a: "request.n" }
)") == std::vector<std::string>{
           "23:28: request.n would read as the input n in derive; serve view request in a role: { "
           "view: request, as: … }"});
  // What is said to help does, and who derives nothing is not bothered.
  const ProjectFiles roles(Captured(R"(    features:
      - { view: v, as: a, features: [now] }
      - { view: request, as: b, features: [n] }
    request: { n: int64 }
    derive: { time: "now", count: "a.now", input: "n", last: "b.n" }
)"));
  const auto catalog = Sound(roles.Load());
  const FeatureService& service = ServiceOf(*catalog);
  REQUIRE(service.derived.size() == 4);
  CHECK(service.derived[0].type == Type::kTimestamp);
  CHECK(service.derived[1].type == Type::kInt64);
  CHECK(CapturedMistakes("    features: [\"v:now\", \"request:n\"]\n").empty());
}

TEST_CASE("a key that is one field of the request's event is no other field, whatever its name") {
  CHECK(CapturedMistakes(R"(    features: ["v:visa_1h"]
    count_request: s
)") == std::vector<std::string>{
           "24:20: count_request needs field card of source s, which feature visa_1h of "
           "view v reads; the request's key card is not that field: call the key otherwise in the "
           "service ({ view: …, keys: { … } }), and add card: string to request"});
  // What nothing reads of the brand may stay unknown.
  const auto plain = Sound(ProjectFiles(Captured(R"(    features: ["v:all_1h"]
    count_request: s
)"))
                               .Load());
  REQUIRE(ServiceOf(*plain).event);
  REQUIRE(ServiceOf(*plain).event->given.size() == 1);
  CHECK(ServiceOf(*plain).event->given[0].field == 2);
  CHECK(ServiceOf(*plain).event->given[0].key == "card");
  const auto told = Sound(ProjectFiles(Captured(R"(    features:
      - { view: v, keys: { card: card_number }, features: [visa_1h] }
    request: { card: string }
    count_request: s
)"))
                              .Load());
  REQUIRE(ServiceOf(*told).event);
  REQUIRE(ServiceOf(*told).event->given.size() == 2);
  CHECK(ServiceOf(*told).event->given[0].field == 1);
  CHECK(ServiceOf(*told).event->given[0].input == 0);
  CHECK(ServiceOf(*told).event->given[1].field == 2);
  CHECK(ServiceOf(*told).event->given[1].key == "card_number");
}

TEST_CASE(
    "the same view in two roles of equal keys may have one name in both, two views in one role may "
    "not") {
  const ProjectFiles files(Bank(R"yaml(    features:
      - { view: activity, as: a, features: [sent_1h] }
      - { view: activity, as: b, features: [sent_1h] }
)yaml"));
  CHECK(ServiceOf(*Sound(files.Load())).views.size() == 2);
}

}  // namespace freshet
