// "did you mean …?": the valid name that is closest to one that is not.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace freshet {

// By edit distance with transpositions; nullopt where nothing is near (more than a third of the letters differ).
std::optional<std::string> NearestName(std::string_view wrong, std::span<const std::string> valid);
// "; did you mean mean?" or, where nothing is near and there are at most twelve, "; one of: a, b, c".
std::string Suggestion(std::string_view wrong, std::span<const std::string> valid);

}  // namespace freshet
