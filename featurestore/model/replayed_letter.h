// What a replayed dead letter carries beside its event and its place, which is its producer id (push_headers.h).
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "featurestore/model/event.h"

namespace freshet {

// Of a letter of reason `future` whose record is of the log that the copy was sent to: that record counts wherever its time had come
// once it was read.
inline constexpr std::string_view kReplayedReasonHeader = "freshet-reason";
inline constexpr std::string_view kReplayedFuture = "future";

// Of the record `here` of `source` with these headers: the record that it is such a copy of, and that counts in its place. None: it
// is no copy, or one of another log's record, or it stands before that record in the partition.
std::optional<Coordinates> ReadCopiedFrom(
    std::string_view source, std::span<const std::pair<std::string_view, std::string_view>> headers,
    const Coordinates& here);

}  // namespace freshet
