// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the readers of catalogues share: lines with their numbers, comma-separated fields, and errors that
/// say where.
#include <string>
#include <string_view>
#include <vector>

namespace fringeflow::io {

struct TextLine {
  size_t number = 0;  ///< counted from 1
  std::string text;   ///< without blanks at its ends
};

std::string trim(std::string_view text);
std::string lower(std::string_view text);

/// All lines of a file that are not blank; a byte order mark and carriage returns are dropped. Throws
/// UserError.
std::vector<TextLine> read_lines(const std::string& path);

/// Fields between commas that are not inside quotes or brackets, trimmed, quotes kept.
std::vector<std::string> split_fields(std::string_view line);
/// Without the quotes ' or " around it.
std::string unquoted(const std::string& field);

/// Throws UserError "FILE:LINE: what".
[[noreturn]] void fail_at(const std::string& path, size_t line, const std::string& what);

/// A finite number. Throws UserError "FILE:LINE: column NAME: …" for text, nothing, NaN and infinity.
double number_at(const std::string& path, size_t line, const std::string& column, const std::string& field);

}  // namespace fringeflow::io
