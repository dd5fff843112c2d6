// Text to values: casts and literals.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "featurestore/base/time.h"

namespace freshet::expr {

// White space around is left out, as PostgreSQL does.
std::optional<bool> ParseBool(
    std::string_view text);  // true, yes, on, 1 and what begins them, without doubt
std::optional<int64_t> ParseInt64(std::string_view text);
std::optional<double> ParseDouble(std::string_view text);  // finite decimal ones

// RFC 3339, and its beginnings: a date alone is its midnight, seconds and offset (then UTC) may be left out.
std::optional<Timestamp> ParseTime(std::string_view text);

// `1 hour 30 minutes`, `90 seconds`, `-1.5 days`: units of fixed length up to weeks. On failure `problem` says why.
std::optional<Duration> ParseInterval(std::string_view text, std::string& problem);

// The shortest text that reads back as this double, laid out as PostgreSQL does: 0.1, 100, 1e+20.
std::string_view FormatDouble(double value, char (&buffer)[40]);

}  // namespace freshet::expr
