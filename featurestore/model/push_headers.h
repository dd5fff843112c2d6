// What a pushed record carries beside its event, so that a producer may send twice (docs/semantics.md, Producers that send twice).
// Any client that produces to a source's topic may set them, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace freshet {

inline constexpr std::string_view kProducerHeader = "freshet-producer";  // an id, any text
inline constexpr std::string_view kSequenceHeader = "freshet-sequence";  // decimal, from 1 on

inline constexpr size_t kMaxProducerBytes = 256;
// A partition remembers so many producers, those whose last record is newest.
inline constexpr size_t kProducersRemembered = 4096;
// Ids that begin so are those of dead letters that are replayed, one a letter. They are remembered apart, as many, so that a large
// replay does not push out who pushes.
inline constexpr std::string_view kReplayedLetterPrefix = "freshet-dlq/";

struct PushedAs {
  std::string_view producer;
  uint64_t sequence = 0;
};

// None where a header is missing, occurs twice, or is not as said above: then the record is as any other.
std::optional<PushedAs> ReadPushHeaders(
    std::span<const std::pair<std::string_view, std::string_view>> headers);

}  // namespace freshet
