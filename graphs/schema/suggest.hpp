// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace fringeflow::graphs {

/// The candidate that was probably meant, or "" when none is near (Damerau-Levenshtein distance, at most a
/// third of the length).
std::string closest(std::string_view word, const std::vector<std::string>& candidates);

/// "; did you mean 'x'?" or, when nothing is near, "; known: a, b, c".
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

/// "a, b, c".
std::string join(const std::vector<std::string>& words, std::string_view separator = ", ");

}  // namespace fringeflow::graphs
