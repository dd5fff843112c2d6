// What scalars of a declaration say: sizes, durations, addresses, names. Each reader gives the value, or what is
// wrong and what would do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/base/time.h"

namespace freshet {

// Longer lengths of time are refused, so that sums of a few of them never overflow.
inline constexpr Duration kMaxDuration = Duration::Days(36500);

bool IsName(std::string_view text);  // [a-z][a-z0-9_]*, at most 100 letters
inline constexpr std::string_view kNameRule =
    "begins with a to z and goes on with a to z, 0 to 9 and _";

StatusOr<Duration> ReadDuration(std::string_view text, std::string_view example);
StatusOr<uint64_t> ReadSize(std::string_view text);  // 64KiB; B KiB MiB GiB TiB, whole numbers
std::string FormatSize(uint64_t bytes);              // the shortest that ReadSize reads back
StatusOr<int64_t> ReadInteger(std::string_view text);
std::optional<double> ReadReal(
    std::string_view text);  // 0.99, 1e-3; nullopt where it is no finite number
std::optional<double> ReadPercent(std::string_view text);  // 70% → 0.7

struct HostPort {
  std::string host;
  int port = 0;
};
StatusOr<HostPort> ReadHostPort(std::string_view text, int least_port);
// host:port,host:port as it will be given to Kafka's client.
StatusOr<std::string> ReadBrokers(std::string_view text);

Status CheckTopic(std::string_view text);
// merchant.id → {merchant, id}; $headers.a.b → {$headers, a.b}.
StatusOr<std::vector<std::string>> ReadPath(std::string_view text);

// Base64 with or without padding; nullopt where it is not.
std::optional<std::string> ReadBase64(std::string_view text);

}  // namespace freshet
