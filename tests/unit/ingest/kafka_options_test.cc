#include "featurestore/ingest/kafka_options.h"

#include <catch2/catch.hpp>

namespace freshet {
namespace {

std::string Told(const std::string& name, const std::string& value) {
  return std::string(MessageOf(CheckKafkaOption(name, value)));
}

}  // namespace

TEST_CASE("an option that librdkafka does not have is refused with the nearest that it has") {
  CHECK(Told("sasl.pasword", "x") ==
        "librdkafka has no option sasl.pasword; did you mean sasl.password?");
  CHECK(Told("client_id", "x").find("did you mean client.id?") != std::string::npos);
  CHECK(Told("zzz", "x") == "librdkafka has no option zzz");
}

TEST_CASE("a value that librdkafka refuses is told in its words") {
  CHECK(Told("security.protocol", "tls").find("option security.protocol: ") == 0);
  CHECK_FALSE(CheckKafkaOption("fetch.wait.max.ms", "soon").ok());
  CHECK_FALSE(CheckKafkaOption("error_cb", "x").ok());
}

TEST_CASE("an option that Freshet sets itself is refused, also by its other name") {
  for (const auto& [name, value] :
       {std::pair<const char*, const char*>{"isolation.level", "read_uncommitted"},
        {"enable.auto.commit", "true"},
        {"group.id", "mine"},
        {"queued.max.messages.kbytes", "1024"},
        {"acks", "1"},
        {"request.required.acks", "1"},
        {"partitioner", "random"}}) {
    INFO(name);
    CHECK(CheckKafkaOption(name, value).code() == absl::StatusCode::kInvalidArgument);
    CHECK(Told(name, value).find("remove it") != std::string::npos);
  }
  CHECK(Told("request.required.acks", "1") ==
        "option request.required.acks: Freshet needs acks to be all; remove it");
}

TEST_CASE("an option that says what Freshet needs, or what it leaves open, may stand") {
  for (const auto& [name, value] : {std::pair<const char*, const char*>{"acks", "all"},
                                    {"acks", "-1"},
                                    {"isolation.level", "read_committed"},
                                    {"security.protocol", "sasl_ssl"},
                                    {"sasl.password", "x"},
                                    {"client.id", "mine"},
                                    {"fetch.wait.max.ms", "10"}}) {
    INFO(name);
    CHECK(CheckKafkaOption(name, value).ok());
  }
}

}  // namespace freshet
