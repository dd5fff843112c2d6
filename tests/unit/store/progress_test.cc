#include "featurestore/store/progress.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>

namespace freshet {
namespace {

Progress Full() {
  Progress progress;
  progress.incarnation = 4'000'000'000u;
  progress.next = 336'776;
  progress.newest_event = Timestamp{1'388'534'340'000'000};
  progress.expiry_time = Timestamp{-5};
  progress.last = RecordFingerprint{336'775, 1'388'534'340'123, 0xfedcba9876543210};
  progress.complete_since = Timestamp{0};
  progress.awaits_complete_since = true;
  return progress;
}

TEST_CASE("progress is read back as it was written, with and without each part") {
  Progress progress = Full();
  for (int part = 0; part < 6; ++part) {
    const auto decoded = DecodeProgress(EncodeProgress(progress));
    REQUIRE(decoded.ok());
    CHECK(*decoded == progress);
    if (part == 0) progress.newest_event.reset();
    if (part == 1) progress.expiry_time.reset();
    if (part == 2) progress.last.reset();
    if (part == 3) progress.complete_since.reset();
    if (part == 4) progress = Progress{};
  }
}

TEST_CASE("progress cut short or followed by more is damaged") {
  const std::string bytes = EncodeProgress(Full());
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK(DecodeProgress(bytes.substr(0, size)).status().code() == absl::StatusCode::kDataLoss);
  }
  CHECK(DecodeProgress(bytes + '\0').status().code() == absl::StatusCode::kDataLoss);
}

TEST_CASE("progress of a newer format says to use the newer freshet") {
  std::string bytes = EncodeProgress(Full());
  bytes[0] = 2;
  const auto decoded = DecodeProgress(bytes);
  CHECK(decoded.status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(MessageOf(decoded.status()).find("format 2") != std::string_view::npos);
}

TEST_CASE("a producer's mark is read back as it was written, and damaged if it was cut") {
  const ProducerMark mark{18'000'000'000'000'000'000u, 4'000'000'000u, 1'234'567};
  const std::string bytes = EncodeProducerMark(mark);
  CHECK(*DecodeProducerMark(bytes) == mark);
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK(DecodeProducerMark(bytes.substr(0, size)).status().code() == absl::StatusCode::kDataLoss);
  }
}

TEST_CASE("hostile bytes of progress are an error or a progress, never a crash") {
  const uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = EncodeProgress(Full());
    if (i % 2 == 0) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    } else {
      bytes.resize(random() % 40);
      for (char& c : bytes) c = static_cast<char>(random());
      if (!bytes.empty()) bytes[0] = 1;
    }
    const auto decoded = DecodeProgress(bytes);
    if (!decoded.ok()) continue;
    CHECK(decoded->next >= 0);
    CHECK(*DecodeProgress(EncodeProgress(*decoded)) == *decoded);
  }
}

}  // namespace
}  // namespace freshet
