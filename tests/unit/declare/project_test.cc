#include "featurestore/declare/describe.h"
#include "project_files.h"

namespace freshet {

TEST_CASE("the first example is sound, and warns of nothing") {
  const ProjectFiles files(kFirstExample);
  const Project project = files.Load();
  const auto catalog = Sound(project);
  CHECK(Shown(project.warnings).empty());
  CHECK(catalog->project == "fraud");
  CHECK(catalog->kafka.kind == KafkaSettings::Kind::kEmbedded);
  REQUIRE(catalog->views.size() == 1);
  const FeatureView& view = catalog->views[0];
  std::vector<std::string> names;
  for (const Feature& feature : view.features) names.push_back(feature.name);
  CHECK(names == std::vector<std::string>{"spend_10m", "spend_1h", "spend_24h", "payments_1h",
                                          "payments_24h", "last_shop"});
  CHECK(view.features[0].type == Type::kDouble);
  CHECK(view.features[3].type == Type::kInt64);
  CHECK(view.features[5].window.kind == WindowKind::kLifetime);
  CHECK(view.ttl == Duration::Days(30));
  CHECK(view.version.size() == 16);
  REQUIRE(catalog->layouts.size() == 1);
  CHECK(catalog->layouts[0] != nullptr);
  REQUIRE(catalog->FindService("fraud_model") != nullptr);
  CHECK(catalog->FindService("fraud_model")->features.size() == 6);
  CHECK(DescribeProject(*catalog).find("view card_spend@" + view.version) != std::string::npos);
}

TEST_CASE("windows are served under the names of the Windows table") {
  const ProjectFiles files(Replaced(kFirstExample, "windows: [10m, 1h, 24h]",
                                    "windows: [1h, { sliding: 2h, hop: 1m }, { tumbling: 1d }, { "
                                    "tumbling: 1d, report: completed }, "
                                    "{ tumbling: 7d, offset: 4d, as: spend_week }, lifetime]"));
  const auto catalog = Sound(files.Load());
  std::vector<std::string> names;
  for (const Feature& feature : catalog->views[0].features) {
    if (feature.declared == "spend") names.push_back(feature.name);
  }
  CHECK(names == std::vector<std::string>{"spend_1h", "spend_2h", "spend_tumbling_1d",
                                          "spend_tumbling_1d_completed", "spend_week",
                                          "spend_lifetime"});
  CHECK(catalog->views[0].features[1].window.hop == Duration::Minutes(1));
  CHECK(catalog->views[0].features[4].window.offset == Duration::Days(4));
  CHECK(catalog->views[0].default_ttl == Duration::Days(7));
}

TEST_CASE("every kind of window is served under its name") {
  const ProjectFiles files(
      Replaced(kFirstExample, "windows: [10m, 1h, 24h]",
               "windows: [{ sliding: 1h, exact: true, max_events: 500 }, { tumbling: day, "
               "timezone: Europe/Berlin }, { tumbling: week, report: completed }, { tumbling: "
               "month, offset: 5h, as: spend_from_five }, { hopping: 1h, hop: 10m }, { hopping: 2h "
               "}, { session: 30m }, { session: 30m, report: ended }, { rows: 100 }, { rows: 7, "
               "as: spend_few }, { sliding: 3h, exact: false }]"));
  const auto catalog = Sound(files.Load());
  std::vector<std::string> names;
  std::vector<std::string> windows;
  for (const Feature& feature : catalog->views[0].features) {
    if (feature.declared != "spend") continue;
    names.push_back(feature.name);
    windows.push_back(DescribeWindow(feature.window));
  }
  CHECK(names == std::vector<std::string>{
                     "spend_exact_1h", "spend_tumbling_day", "spend_tumbling_week_completed",
                     "spend_from_five", "spend_hopping_1h", "spend_hopping_2h", "spend_session_30m",
                     "spend_session_30m_ended", "spend_rows_100", "spend_few", "spend_3h"});
  CHECK(windows == std::vector<std::string>{
                       "sliding 1h, exact, at most 500 events", "tumbling day in Europe/Berlin",
                       "tumbling week in UTC, completed", "tumbling month in UTC, offset 5h",
                       "hopping 1h, hop 10m", "hopping 2h, hop 5m", "session, gap 30m",
                       "session, gap 30m, ended", "rows 100", "rows 7", "sliding 3h, hop 5m"});
  const std::string text = DescribeProject(*catalog);
  CHECK(text.find("  runs     lifetime: at most ") != std::string::npos);
  CHECK(text.find("  runs     sessions of gap 30m: at most ") != std::string::npos);
  CHECK(text.find("  log      at most 500 events: amount\n") != std::string::npos);
}

TEST_CASE("validate states for which views deletes are, and what a row's ids take") {
  const std::string text = DescribeProject(*Sound(
      ProjectFiles(Replaced(kFirstExample, "    timestamp: at\n",
                            "    timestamp: at\n    key: card\n    dedup: { by: [merchant, at], "
                            "within: 1h, max_ids: 200 }\n"))
          .Load()));
  CHECK(text.find("  deletes  a record without a value, by its key\n") != std::string::npos);
  CHECK(text.find("  dedup    by merchant, at, within 1h: at most 200 ids, 2802 bytes\n") !=
        std::string::npos);
}

TEST_CASE("views with lifetime, rows or report: ended must declare a ttl, or never") {
  const std::string base = Replaced(Replaced(kFirstExample, "    ttl: 30d\n", ""),
                                    "      last_shop: { aggregate: last, of: merchant }\n", "");
  const auto with = [&](const std::string& window) {
    return ProjectFiles(Replaced(base, "[10m, 1h, 24h]", "[" + window + "]")).Load();
  };
  for (const auto& [window, why] :
       {std::pair<const char*, const char*>{"lifetime",
                                            "spend_lifetime is over the lifetime of a "
                                            "row"},
        {"{ rows: 10 }", "spend_rows_10 counts events of any age"},
        {"{ session: 30m, report: ended }",
         "spend_session_30m_ended tells of a session that ended at any time"}}) {
    INFO(window);
    const Project project = with(window);
    REQUIRE(project.errors.size() == 1);
    CHECK(project.errors[0].line == 11);
    CHECK(project.errors[0].text == std::string("view card_spend needs a ttl, since ") + why +
                                        ": add ttl: 30d, or ttl: never");
  }
}

TEST_CASE(
    "default ttl: W + h of hopping, W of exact windows and longest buckets, a session's gap") {
  const std::string base =
      Replaced(Replaced(Replaced(kFirstExample, "    ttl: 30d\n", ""),
                        "      last_shop: { aggregate: last, of: merchant }\n", ""),
               "windows: [1h, 24h]", "windows: [1m]");
  for (const auto& [window, ttl] : {
           std::pair<const char*, Duration>{"{ hopping: 6h, hop: 1h }", Duration::Hours(7)},
           {"{ sliding: 6h, exact: true, max_events: 5 }", Duration::Hours(6)},
           {"{ session: 30m }", Duration::Minutes(30)},
           {"{ tumbling: day }", Duration::Hours(27)},
           {"{ tumbling: week, report: completed }", Duration::Hours(2 * (7 * 24 + 3))},
       }) {
    INFO(window);
    const auto catalog = Sound(
        ProjectFiles(Replaced(base, "[10m, 1h, 24h]", "[" + std::string(window) + "]")).Load());
    CHECK(catalog->views[0].ttl == ttl);
  }
}

// "`validate` lists them for a view with history."
TEST_CASE(
    "history is said to reach nothing where no feature has any, and validate lists those that have "
    "none") {
  const std::string base =
      Replaced(kFirstExample, "    ttl: 30d\n", "    ttl: 30d\n    history: 1h\n");
  const auto warnings = [&](const std::string& window) {
    const std::string text =
        Replaced(Replaced(base, "[10m, 1h, 24h]", window), "[1h, 24h]", "[lifetime]");
    const Project project = ProjectFiles(text).Load();
    Sound(project);
    return project.warnings;
  };
  CHECK(warnings("[{ sliding: 1h, exact: true, max_events: 5 }]").empty());
  REQUIRE(warnings("[{ rows: 5 }, { session: 1h }]").size() == 1);
  CHECK(warnings("[{ rows: 5 }]")[0].text.find("history 1h reaches nothing") == 0);
  const auto catalog = Sound(
      ProjectFiles(Replaced(base, "[10m, 1h, 24h]", "[1h, { rows: 5 }, { session: 1h }, lifetime]"))
          .Load());
  CHECK(DescribeProject(*catalog).find("  history counts as 0 for spend_rows_5, spend_session_1h, "
                                       "spend_lifetime, last_shop\n") != std::string::npos);
}

TEST_CASE("a list of q appends a suffix to each served name, a single q never") {
  const auto catalog = Sound(
      ProjectFiles(Replaced(kFirstExample,
                            "spend:     { aggregate: sum, of: amount, windows: [10m, 1h, 24h] }",
                            "spend: { aggregate: quantile, of: amount, q: [0.5, 0.05, 0.999, 1], "
                            "windows: [1h, lifetime] }\n"
                            "      middle: { aggregate: quantile, of: amount, q: 0.5, exact_to: "
                            "10, windows: [1h] }\n"
                            "      heat: { aggregate: decayed_mean, of: amount, half_life: 1h }"))
          .Load());
  std::vector<std::string> names;
  for (const Feature& feature : catalog->views[0].features) names.push_back(feature.name);
  CHECK(names == std::vector<std::string>{"spend_1h_p50", "spend_1h_p05", "spend_1h_p999",
                                          "spend_1h_p100", "spend_lifetime_p50",
                                          "spend_lifetime_p05", "spend_lifetime_p999",
                                          "spend_lifetime_p100", "middle_1h", "heat", "payments_1h",
                                          "payments_24h", "last_shop"});
  const std::string text = DescribeProject(*catalog);
  CHECK(text.find("quantile(amount, q 0.5, exact to 10, then within 0.01)") != std::string::npos);
  CHECK(text.find("decayed_mean(amount, half_life 1h)") != std::string::npos);
}

TEST_CASE("the default ttl is W + h of sliding windows and 2W of completed buckets") {
  const std::string base = Replaced(Replaced(kFirstExample, "    ttl: 30d\n", ""),
                                    "      last_shop: { aggregate: last, of: merchant }\n", "");
  CHECK(Sound(ProjectFiles(base).Load())->views[0].ttl == Duration::Hours(25));
  const auto completed = Replaced(base, "[10m, 1h, 24h]", "[{ tumbling: 1d, report: completed }]");
  CHECK(Sound(ProjectFiles(completed).Load())->views[0].ttl == Duration::Days(2));
}

TEST_CASE(
    "several files make one project; features.yaml and features/*.yaml are read where they exist") {
  const size_t cut = kFirstExample.find("feature_views:");
  const size_t services = kFirstExample.find("feature_services:");
  ProjectFiles files(kFirstExample.substr(0, cut));
  files.Write("features.yaml", kFirstExample.substr(cut, services - cut));
  files.Write("features/services.yaml", kFirstExample.substr(services));
  CHECK(Sound(files.Load())->services.size() == 1);
  // With `include`, only what it names.
  files.Write("freshet.yaml", "include: [features.yaml]\n" + kFirstExample.substr(0, cut));
  CHECK(Sound(files.Load())->services.empty());
  files.Write("freshet.yaml", "include: [feature.yaml]\n" + kFirstExample);
  CHECK(Shown(files.Load().errors)[0].rfind("1:11: include feature.yaml: there is no file", 0) ==
        0);
}

TEST_CASE("a file that cannot be included is reported at the entry that names it") {
  ProjectFiles files;
  std::filesystem::create_directories(files.folder() / "more" / "x.yaml");
  files.Write("big.yaml", std::string((1 << 20) + 1, '#'));
  const auto mistakes = [&](const std::string& include) {
    files.Write("freshet.yaml", "include: " + include + "\n" + kFirstExample);
    return Shown(files.Load().errors);
  };
  for (const auto& [include, told] :
       {std::pair<const char*, const char*>{"[big.yaml]", "big.yaml is larger than 1048576 bytes"},
        {"[more/*.yaml]", "x.yaml is not a file"},
        {"[\"*.yaml\"]", "big.yaml is larger"},
        {"[freshet.yaml]", "include freshet.yaml: that is the file which includes"},
        {"[more/../freshet.yaml]", "that is the file which includes"}}) {
    INFO(include);
    const auto errors = mistakes(include);
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].rfind("1:11: ", 0) == 0);
    CHECK(errors[0].find(told) != std::string::npos);
  }
}

TEST_CASE("names that collide in a service are answered as view:feature") {
  const std::string view = kFirstExample.substr(kFirstExample.find("  card_spend:"));
  std::string second = view.substr(0, view.find("feature_services:"));
  second.replace(0, 13, "  card_again:");
  std::string text = Replaced(kFirstExample, "feature_services:\n", second + "feature_services:\n");
  text = Replaced(
      text, "[card_spend]",
      "{ features: [\"card_spend:spend_1h\", \"card_again:spend_1h\", \"card_again:last_shop\"] }");
  const Project project = ProjectFiles(text).Load();
  const auto catalog = Sound(project);
  const auto& features = catalog->services[0].features;
  REQUIRE(features.size() == 3);
  CHECK(features[0].name == "card_spend:spend_1h");
  CHECK(features[1].name == "card_again:spend_1h");
  CHECK(features[2].name == "last_shop");
  CHECK(project.warnings.empty());
}

TEST_CASE("a whole view in a service's long form is warned about unless `open: true`") {
  const auto with = [](const std::string& service) {
    return ProjectFiles(Replaced(kFirstExample, "[card_spend]", service)).Load();
  };
  const Project closed = with("{ features: [card_spend] }");
  Sound(closed);
  REQUIRE(closed.warnings.size() == 1);
  CHECK(Shown(closed.warnings)[0].rfind(
            "20:29: service fraud_model takes the whole of view card_spend", 0) == 0);
  CHECK(with("{ features: [card_spend], open: true }").warnings.empty());
}

TEST_CASE("what is legal but surely not meant is a warning that says the figures") {
  const auto warning = [](const std::string& from, const std::string& to) {
    const Project project = ProjectFiles(Replaced(kFirstExample, from, to)).Load();
    Sound(project);
    std::string all;
    for (const Diagnostic& one : project.warnings) all += (all.empty() ? "" : "\n") + one.text;
    return all;
  };
  CHECK(warning("ttl: 30d", "ttl: 1h") ==
        "ttl 1h is shorter than the window of spend_24h, 1d: rows expire before their events leave "
        "it");
  CHECK(warning("[10m, 1h, 24h]", "[{ sliding: 1d, hop: 1s }]").find("panes") != std::string::npos);
  CHECK(warning("{ brokers: embedded }", "{ brokers: \"a:9092,b:9092\" }\nclock: event_time")
            .find("clock: event_time with a real broker") == 0);
  CHECK(warning("entities:\n",
                "  again:\n    topic: transactions\n    timestamp: kafka\n    fields: { x: int64 "
                "}\nentities:\n")
            .find("source again reads topic transactions") != std::string::npos);
}

TEST_CASE("a default is of its feature's type, and text that YAML reads as a number needs quotes") {
  const auto with = [](const std::string& value) {
    return ProjectFiles(
               Replaced(kFirstExample, "of: merchant }", "of: merchant, default: " + value + " }"))
        .Load();
  };
  for (const char* wrong : {"7", "-1.5e3", "true", "False", "0x1f", ".inf", "[]"}) {
    INFO(wrong);
    const Project project = with(wrong);
    REQUIRE(project.errors.size() == 1);
    CHECK(project.errors[0].line == 17);
    CHECK(project.errors[0].column == 60);
  }
  CHECK(with("7").errors[0].text.find("default \"7\" does not fit feature last_shop, which is a "
                                      "string") == 0);
  for (const char* right : {"\"7\"", "'true'", "unknown", "\"\"", "2013-01-01", "1.2.3", "e5"}) {
    INFO(right);
    const auto catalog = Sound(with(right));
    CHECK(catalog->views[0].features.back().default_value.has_value());
  }
}

TEST_CASE("a source that no view reads is warned about") {
  const std::string unread =
      "  refunds: { topic: refunds, timestamp: kafka, fields: { card: string } }\nentities:";
  const Project project = ProjectFiles(Replaced(kFirstExample, "entities:", unread)).Load();
  Sound(project);
  CHECK(Shown(project.warnings) ==
        std::vector<std::string>{
            "8:3: no feature view reads source refunds, so its topic refunds is not read either"});
}

TEST_CASE("with clock: event_time nothing is refused as future") {
  const auto catalog = Sound(ProjectFiles("clock: event_time\n" + kFirstExample).Load());
  CHECK(catalog->clock == ClockKind::kEventTime);
  CHECK(catalog->sources[0].max_future_skew == Duration{});
  CHECK(catalog->views[0].max_future_skew == Duration{});
}

TEST_CASE("a folder that is no project is one clear error") {
  const ProjectFiles empty;
  CHECK(empty.Load().errors[0].text == "there is no such file, and a project begins with it");
  CHECK(LoadProject("/nowhere/at/all").errors[0].text.find("is not a project folder") == 0);
  CHECK(Shown(ProjectFiles("").Load().errors) ==
        std::vector<std::string>{"1:1: the file is empty; begin with project: NAME"});
  CHECK(ProjectFiles("project: p\n").Load().errors.size() ==
        4);  // kafka, sources, entities, feature_views
}

TEST_CASE("minus zero is the quantile zero, and no default is beyond what a float holds") {
  const std::string quantiles =
      Replaced(kFirstExample, "{ aggregate: sum, of: amount, windows: [10m, 1h, 24h] }",
               "{ aggregate: quantile, of: amount, q: [-0.0, 0.5], windows: [1h] }");
  const auto catalog = Sound(ProjectFiles(quantiles).Load());
  CHECK(catalog->views[0].FeatureIndex("spend_1h_p00"));
  CHECK(Shown(ProjectFiles(Replaced(quantiles, "0.5]", "0]")).Load().errors) ==
        std::vector<std::string>{"15:63: q \"0\" is asked for twice"});
  const auto with_default = [](const std::string& type, const std::string& value) {
    return Shown(ProjectFiles(Replaced(Replaced(kFirstExample, "amount: double", "amount: " + type),
                                       "aggregate: last, of: merchant",
                                       "aggregate: last, of: amount, default: " + value))
                     .Load()
                     .errors);
  };
  for (const std::string value : {"1e300", "-1e300", "3.5e38"}) {
    CHECK(with_default("float", value) ==
          std::vector<std::string>{"17:58: default \"" + value +
                                   "\" does not fit feature last_shop, which is a float; write a "
                                   "number up to 3.4e38"});
    CHECK(with_default("double", value).empty());
  }
  CHECK(with_default("float", "3.4e38").empty());
}

}  // namespace freshet
