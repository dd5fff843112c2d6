#include "featurestore/model/replayed_letter.h"

#include <algorithm>
#include <charconv>

#include "featurestore/model/push_headers.h"

namespace freshet {

std::optional<Coordinates> ReadCopiedFrom(
    std::string_view source, std::span<const std::pair<std::string_view, std::string_view>> headers,
    const Coordinates& here) {
  const bool is_copy = std::any_of(headers.begin(), headers.end(), [](const auto& header) {
    return header.first == kReplayedReasonHeader && header.second == kReplayedFuture;
  });
  if (!is_copy) return std::nullopt;
  const auto pushed = ReadPushHeaders(headers);
  if (!pushed || !pushed->producer.starts_with(kReplayedLetterPrefix)) return std::nullopt;
  std::string_view place = pushed->producer.substr(kReplayedLetterPrefix.size());
  if (!place.starts_with(source)) return std::nullopt;
  place.remove_prefix(source.size());
  const auto next = [&place](auto& number) {
    if (!place.starts_with('/')) return false;
    const char* const end = place.data() + place.size();
    const auto [stop, error] = std::from_chars(place.data() + 1, end, number);
    if (error != std::errc()) return false;
    place.remove_prefix(static_cast<size_t>(stop - place.data()));
    return true;
  };
  Coordinates at;
  if (!next(at.incarnation) || !next(at.partition) || !next(at.offset) || !place.empty()) {
    return std::nullopt;
  }
  if (at.incarnation != here.incarnation) return std::nullopt;
  if (at.partition == here.partition && at.offset >= here.offset) return std::nullopt;
  return at;
}

}  // namespace freshet
