#include "project_files.h"

namespace freshet {
namespace {

Setting Find(const Project& project, const std::string& path) {
  for (const Setting& setting : project.settings) {
    if (setting.path == path) return setting;
  }
  FAIL("no setting " << path);
  return {};
}

}  // namespace

TEST_CASE(
    "--set goes before the environment, the environment before the files, the files before "
    "defaults") {
  const ProjectFiles files(kFirstExample + "storage: { memory: 100MiB }\n");
  CHECK(Sound(files.Load())->storage.memory_bytes == 100ull << 20);
  CHECK(Find(files.Load(), "storage.memory").origin.find("freshet.yaml:21:20") !=
        std::string::npos);
  const Project environment = files.Load({}, {{"FRESHET_STORAGE__MEMORY", "200MiB"}});
  CHECK(Sound(environment)->storage.memory_bytes == 200ull << 20);
  CHECK(Find(environment, "storage.memory").origin == "FRESHET_STORAGE__MEMORY");
  const Project set =
      files.Load({"storage.memory=300MiB"}, {{"FRESHET_STORAGE__MEMORY", "200MiB"}});
  CHECK(Sound(set)->storage.memory_bytes == 300ull << 20);
  CHECK(Find(set, "storage.memory").origin == "--set");
  CHECK(Find(set, "storage.memory").value == "300MiB");
  CHECK(Find(set, "server.max_rows").origin == "default");
}

TEST_CASE(
    "memory that cannot hold what is declared is refused where it is written, with the numbers") {
  const auto with = [](size_t views, const std::string& storage) {
    std::string text = kFirstExample;
    const std::string name = "feature_views:\n";
    const size_t at = text.find(name) + name.size();
    const std::string view = text.substr(at, text.find("\nfeature_services") - at);
    for (size_t i = 1; i < views; ++i) {
      std::string more = view;
      const size_t colon = more.find(':');
      more.insert(colon, fmt::format("_{}", i));
      text.insert(at, more + "\n");
    }
    return ProjectFiles(text + storage).Load();
  };
  CHECK(Sound(with(48, "storage: { memory: 16MiB }\n")) != nullptr);
  const Project many = with(49, "storage: { memory: 16MiB }\n");
  REQUIRE(many.errors.size() == 1);
  CHECK_THAT(
      ToString(many.errors[0]),
      Catch::Contains(":20: ") &&
          Catch::Contains("memory is 16MiB; at read_share 0.56 it leaves 4.0 MiB to ingestion, "
                          "where 1 source need 2.0 MiB, and 3.0 MiB to write buffers, where 49 "
                          "views need 3.1 MiB; raise it to 17MiB, or lower advanced.read_share"));
  CHECK(Sound(with(49, "storage: { memory: 17MiB }\n")) != nullptr);
  CHECK(Sound(with(49, "storage: { memory: 16MiB, advanced: { read_share: 0.5 } }\n")) != nullptr);
  CHECK(with(1, "storage: { memory: 16MiB, advanced: { read_share: 0.8 } }\n").errors.size() == 1);
}

TEST_CASE("background work has threads for flushes and for compactions, and may have a rate") {
  const auto with = [](const std::string& advanced) {
    return ProjectFiles(kFirstExample + "storage: { advanced: { " + advanced + " } }\n").Load();
  };
  const auto plain = Sound(with("read_share: 0.5"))->storage.background;
  CHECK(plain.threads >= 2);
  CHECK(plain.threads <= 4);
  CHECK(plain.flush_threads == plain.threads / 2);
  CHECK_FALSE(plain.bytes_per_second);
  const Project eight = with("background_threads: 8, compaction_rate: 64MiB");
  CHECK(Sound(eight)->storage.background.threads == 8);
  CHECK(Sound(eight)->storage.background.flush_threads == 4);
  CHECK(Sound(eight)->storage.background.bytes_per_second == 64ull << 20);
  CHECK(Find(eight, "storage.advanced.compaction_rate").value == "64MiB");
  CHECK(Sound(with("background_threads: 8, flush_threads: 7"))->storage.background.flush_threads ==
        7);
  CHECK_THAT(ToString(with("background_threads: 4, flush_threads: 4").errors.at(0)),
             Catch::Contains("flush_threads is 4 of 4 background_threads"));
  const auto flushes = Sound(with("flush_threads: 9"))->storage.background;
  CHECK(flushes.flush_threads == 9);
  CHECK(flushes.threads == 10);
  CHECK(with("background_threads: 1").errors.size() == 1);
  CHECK(with("compaction_rate: 64").errors.size() == 1);
}

TEST_CASE("checkpoints need a folder, which does not lie in the data's") {
  const ProjectFiles files(kFirstExample);
  const Project none = files.Load();
  CHECK_FALSE(Sound(none)->storage.checkpoints);
  const Project project =
      files.Load({"storage.checkpoints.to=../backup/", "storage.checkpoints.every=10m"});
  const auto& checkpoints = Sound(project)->storage.checkpoints;
  REQUIRE(checkpoints);
  CHECK(checkpoints->to == (std::filesystem::temp_directory_path() / "backup").string());
  CHECK(checkpoints->every == Duration::Minutes(10));
  CHECK(checkpoints->keep == 6);
  CHECK(Find(project, "storage.checkpoints.every").value == "10m");
  const auto error = [&](const std::string& set) {
    return ToString(files.Load({set}).errors.at(0));
  };
  CHECK(error("storage.checkpoints.every=10m").find("checkpoints needs to: ") != std::string::npos);
  for (const std::string inside : {"data", "data/to", "./data/../data/", "data/."}) {
    CHECK(error("storage.checkpoints.to=" + inside).find("to lies in storage.path") !=
          std::string::npos);
  }
  CHECK(files.Load({"storage.checkpoints.to=data2"}).errors.empty());
}

TEST_CASE("mistakes of --set and of the environment name them") {
  const ProjectFiles files(kFirstExample);
  CHECK(ToString(files.Load({"storage.memry=1GiB"}).errors[0]) ==
        "--set storage.memry: unknown key memry; did you mean memory?");
  CHECK(ToString(files.Load({"nonsense"}).errors[0]).find("--set nonsense: is not KEY=VALUE") == 0);
  CHECK(ToString(files.Load({"sources.transaction.topic=x"}).errors[0])
            .find("sources has no transaction; did you mean transactions?") != std::string::npos);
  CHECK(ToString(files.Load({}, {{"FRESHET_SERVER__GRPC", "here"}}).errors[0])
            .find("FRESHET_SERVER__GRPC: grpc \"here\" is not host:port") == 0);
  Sound(files.Load({}, {{"FRESHET_PORT", "tcp://10.0.0.1:7570"},
                        {"FRESHET_SERVICE_HOST", "10.0.0.1"}}));  // Kubernetes' own
}

TEST_CASE(
    "variables come from the environment, with a default, or from a file, and $${ is a plain ${") {
  ProjectFiles files(Replaced(kFirstExample, "project: fraud", R"(project: ${NAME:-fraud}
server: { name: "a-${HOST}-$${x}" })"));
  files.Write("secret.txt", "hush\n");
  const auto catalog = Sound(files.Load(
      {"kafka.options.ssl.ca.location=${file:secret.txt}", "kafka.options.sasl.password=open"},
      {{"HOST", "b"}}));
  CHECK(catalog->project == "fraud");
  CHECK(catalog->server.name == "a-b-${x}");
  CHECK(catalog->kafka.options.at("ssl.ca.location") == "hush");
  CHECK(catalog->kafka.options.at("sasl.password") == "open");
  CHECK(files.Load().errors[0].text ==
        "environment variable HOST is not set; set it, or write ${HOST:-default}");
}

TEST_CASE("what Kafka's client says against an option is reported where the option stands") {
  ProjectFiles files(
      Replaced(kFirstExample, "brokers: embedded }",
               "brokers: embedded, options: { bad: x, good: y, worse: \"${file:pw}\" } }"));
  files.Write("pw", "hunter2");
  LoadOptions options;
  options.check_kafka_option = [](const std::string& name, const std::string& value) {
    return name == "good" ? OkStatus() : InvalidArgument("{} is not {}", name, value);
  };
  CHECK(Shown(LoadProject(files.folder(), options).errors) ==
        std::vector<std::string>{"2:40: bad is not x", "2:57: option worse: its value is refused"});
  options.sets = {"kafka.options.bad=z", "kafka.options.worse=w"};
  const auto errors = LoadProject(files.folder(), options).errors;
  REQUIRE(errors.size() == 2);
  CHECK(ToString(errors[0]) == "--set kafka.options.bad: bad is not z");
}

TEST_CASE("without Kafka pushed records are kept as long and as many as is said") {
  const ProjectFiles files(Replaced(kFirstExample, "brokers: embedded }",
                                    "brokers: none, local_log: { keep: 7d, max_size: 64MiB } }"));
  const Project project = files.Load();
  const auto catalog = Sound(project);
  CHECK(catalog->kafka.kind == KafkaSettings::Kind::kNone);
  CHECK(catalog->kafka.local_keep == Duration::Days(7));
  CHECK(catalog->kafka.local_max_bytes == 64ull << 20);
  CHECK(project.warnings.empty());
  CHECK(Find(project, "kafka.brokers").value == "none");
  CHECK(Find(project, "kafka.local_log.keep").value == "7d");
  const ProjectFiles embedded(Replaced(kFirstExample, "brokers: embedded }",
                                       "brokers: embedded, local_log: { keep: 7d } }"));
  REQUIRE(embedded.Load().warnings.size() == 1);
  CHECK(embedded.Load().warnings[0].text == "local_log counts only with brokers: none");
}

TEST_CASE("pushes are on, at the admin address, unless something else is said") {
  const ProjectFiles files(kFirstExample);
  CHECK(Sound(files.Load())->server.push);
  CHECK(Find(files.Load(), "server.push_http").value == "127.0.0.1:7571");
  const Project other = files.Load({"server.push=false", "server.push_http=0.0.0.0:80"});
  CHECK_FALSE(Sound(other)->server.push);
  CHECK(Sound(other)->server.push_http == "0.0.0.0:80");
  CHECK_FALSE(files.Load({"server.push_http=here"}).errors.empty());
}

TEST_CASE("secrets are never printed") {
  ProjectFiles files(kFirstExample);
  files.Write("secret.txt", "hush");
  const Project project =
      files.Load({"kafka.options.client.id=${file:secret.txt}", "kafka.options.sasl.password=hush",
                  "server.name=${file:secret.txt}"});
  Sound(project);
  for (const Setting& setting : project.settings)
    CHECK(setting.value.find("hush") == std::string::npos);
  CHECK(Find(project, "kafka.options.sasl.password").value == "***");
  for (const char* key :
       {"server.grpc", "storage.memory", "clock", "kafka.brokers", "project", "server.max_rows",
        "server.default_deadline", "sources.transactions.topic", "feature_views.card_spend.source",
        "feature_views.card_spend.features.spend.aggregate"}) {
    const Project wrong = files.Load({std::string(key) + "=x ${file:secret.txt}"});
    INFO(key);
    CHECK(!wrong.errors.empty());
    for (const Diagnostic& d : wrong.errors) CHECK(d.text.find("hush") == std::string::npos);
  }
}

}  // namespace freshet
