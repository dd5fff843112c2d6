#include "featurestore/observe/log.h"

#include <catch2/catch.hpp>

namespace freshet {
namespace {

TEST_CASE("a log line is one JSON object: time, level, event, its fields, message") {
  CHECK(
      internal::FormatLogJson(
          "2026-01-01T00:00:00Z", LogLevel::kWarn, "ingest_paused", "stands still",
          {{"source", "flights"}, {"partition", int64_t{3}}, {"lag", 1.5}, {"mock", true}}) ==
      R"({"time":"2026-01-01T00:00:00Z","level":"warn","event":"ingest_paused","source":"flights",)"
      R"("partition":3,"lag":1.5,"mock":true,"message":"stands still"})");
}

TEST_CASE("hostile bytes in a field neither break the line nor forge another") {
  const std::string json = internal::FormatLogJson("t", LogLevel::kInfo, "e", "a\nb\x1b[31m",
                                                   {{"key", std::string("\xff\"\n", 3)}});
  CHECK(json ==
        "{\"time\":\"t\",\"level\":\"info\",\"event\":\"e\",\"key\":\"\xef\xbf\xbd\\\"\\n\","
        "\"message\":\"a\\nb\\u001b[31m\"}");
  const std::string text =
      internal::FormatLogText("t", LogLevel::kInfo, "e", "a\nb", {{"key", "x\ny"}});
  CHECK(text == "t info e: a\\nb key=\"x\\ny\"");
}

}  // namespace
}  // namespace freshet
