#include "featurestore/ingest/replay.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "featurestore/ingest/key_text.h"
#include "featurestore/ingest/line_file.h"
#include "featurestore/ingest/mock_broker.h"
#include "tests/integration/kafka/log_reader.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

Source Cards() {
  Source source;
  source.name = "cards";
  source.topic = "cards";
  for (const auto& [name, type] :
       {std::pair<const char*, Type>{"card", Type::kString}, {"n", Type::kInt64}}) {
    Field field;
    field.name = name;
    field.type = type;
    field.path = {name};
    source.fields.push_back(field);
  }
  source.key = 0;
  return source;
}

std::string Line(int i) {
  return fmt::format(R"({{"card":"c{}","n":{},"pad":"{}"}})", i % 100, i, std::string(120, 'x'));
}

}  // namespace

TEST_CASE("a replay's key is the key field as it stands in JSON") {
  Source source = Cards();
  CHECK(KeyText(source).Of(R"({"card":"a\u0041\"","n":1})") == "aA\"");
  CHECK(KeyText(source).Of(R"({"card":null})") == std::nullopt);
  CHECK(KeyText(source).Of(R"({"card":5})") == std::nullopt);
  CHECK(KeyText(source).Of("not json") == std::nullopt);
  source.key = 1;
  CHECK(KeyText(source).Of(R"({"card":"a","n":-12})") == "-12");
  source.key.reset();
  CHECK(KeyText(source).Of(R"({"card":"a"})") == std::nullopt);
}

TEST_CASE("lines of a gzipped file come as they were written, with or without a last line end") {
  const TempFolder folder;
  const std::string text = "{\"a\":1}\r\n\n" + std::string(700'000, 'y') + "\nlast";
  const auto plain = folder.path() / "x.jsonl", packed = folder.path() / "x.jsonl.gz";
  std::ofstream(plain) << text;
  gzFile gz = gzopen(packed.c_str(), "wb");
  REQUIRE(gzwrite(gz, text.data(), static_cast<unsigned>(text.size())) > 0);
  gzclose(gz);
  for (const auto& path : {plain, packed}) {
    auto file = LineFile::Open(path);
    REQUIRE(file.ok());
    std::vector<std::string> lines;
    std::string_view line;
    while (file->Next(line).value()) lines.emplace_back(line);
    CHECK(lines == std::vector<std::string>{"{\"a\":1}", "", std::string(700'000, 'y'), "last"});
  }
  SECTION("a gzip file that is cut off is an error") {
    std::filesystem::resize_file(packed, std::filesystem::file_size(packed) - 12);
    auto file = LineFile::Open(packed);
    std::string_view line;
    StatusOr<bool> more = true;
    while (more.ok() && *more) more = file->Next(line);
    CHECK(more.status().code() == absl::StatusCode::kDataLoss);
  }
}

TEST_CASE("a replay whose broker does not answer says so while it waits, and can be stopped then") {
  const TempFolder folder;
  std::ofstream(folder.path() / "x.jsonl") << Line(0) << "\n";
  std::string why;
  ReplayOptions options;
  options.file = folder.path() / "x.jsonl";
  options.waiting = [&why](const std::string& reason) { why = reason; };
  options.cancelled = [&why] { return !why.empty(); };
  const auto begin = std::chrono::steady_clock::now();
  const auto result = Replay(Cards(), {"127.0.0.1:1", "", false}, {}, options);
  CHECK(why.find("no broker answers") == 0);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  REQUIRE(result.ok());
  CHECK(result->events == 0);
}

TEST_CASE(
    "a replay sends every line once, in order within a partition, keyed by the source's key") {
  const TempFolder folder;
  const auto broker = MockBroker::Start(folder.path(), {{"cards", 3}});
  REQUIRE(broker.ok());
  const auto path = folder.path() / "x.jsonl";
  {
    std::ofstream out(path);
    for (int i = 0; i < 900; ++i) out << Line(i) << "\n";
    out << "this is not json\n";
  }
  ReplayOptions options;
  options.file = path;
  const LogAddress address{(*broker)->bootstrap(), (*broker)->log_id(), true};
  const auto result = Replay(Cards(), address, {}, options);
  REQUIRE(result.ok());
  CHECK(result->events == 901);
  const auto records = ReadLogToEnds(address.bootstrap, "cards", result->ends);
  REQUIRE(records.size() == 901);
  std::map<std::string, int32_t> partition_of;
  std::map<int32_t, int> last;
  int without_key = 0;
  for (const LogRecord& record : records) {
    if (!record.key) {
      ++without_key;
      CHECK(record.value == "this is not json");
      continue;
    }
    const auto [place, fresh] = partition_of.emplace(*record.key, record.partition);
    CHECK(place->second == record.partition);
    const int n = std::stoi(record.value.substr(record.value.find("\"n\":") + 4));
    CHECK(n >= last[record.partition]);
    last[record.partition] = n;
  }
  CHECK(without_key == 1);
  CHECK(partition_of.size() == 100);
}

TEST_CASE("a replay into the embedded broker never outruns what the server has applied") {
  const TempFolder folder;
  const auto broker = MockBroker::Start(folder.path(), {{"cards", 1}});
  REQUIRE(broker.ok());
  const int count = 60'000;  // 9 MB: nearly twice what the mock keeps
  const auto path = folder.path() / "x.jsonl";
  {
    std::ofstream out(path);
    for (int i = 0; i < count; ++i) out << Line(i) << "\n";
  }
  const LogAddress address{(*broker)->bootstrap(), (*broker)->log_id(), true};
  ReplayOptions options;
  options.file = path;
  SECTION("with a server that applies, everything arrives") {
    LogFollower server(address.bootstrap, "cards");
    options.applied = [&]() -> StatusOr<std::map<int32_t, int64_t>> {
      server.ReadSome();
      return std::map<int32_t, int64_t>{{0, server.next()}};
    };
    options.wait = true;
    const auto result = Replay(Cards(), address, {}, options);
    REQUIRE(result.ok());
    CHECK(result->ends == std::map<int32_t, int64_t>{{0, count}});
    CHECK(server.next() == count);
    CHECK(server.lost() == 0);
  }
  SECTION("without one, it stops before anything is lost and says why") {
    const auto result = Replay(Cards(), address, {}, options);
    REQUIRE(result.status().code() == absl::StatusCode::kFailedPrecondition);
    CHECK(MessageOf(result.status()).find("freshet serve") != std::string_view::npos);
  }
}

TEST_CASE("a replay of a file that is not there says so") {
  const TempFolder folder;
  const auto broker = MockBroker::Start(folder.path(), {{"cards", 1}});
  ReplayOptions options;
  options.file = folder.path() / "absent.jsonl";
  const LogAddress address{(*broker)->bootstrap(), (*broker)->log_id(), true};
  CHECK(Replay(Cards(), address, {}, options).status().code() == absl::StatusCode::kNotFound);
}

}  // namespace freshet
