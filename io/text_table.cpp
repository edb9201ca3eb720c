// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/text_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "io/atomic_file.hpp"
#include "io/error.hpp"

namespace fringeflow::io {

std::string trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1));
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::vector<TextLine> read_lines(const std::string& path) {
  const std::string content = read_file(path);
  std::string_view rest = content;
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
  std::vector<TextLine> lines;
  for (size_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string text = trim(rest.substr(0, end));
    if (text.find('\0') != std::string::npos) fail_at(path, number, "a zero byte: this is not a text file");
    if (!text.empty()) lines.push_back({number, std::move(text)});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

std::vector<std::string> split_fields(std::string_view line) {
  std::vector<std::string> fields;
  size_t begin = 0;
  int depth = 0;
  char quote = 0;
  for (size_t i = 0; i <= line.size(); ++i) {
    const char c = i < line.size() ? line[i] : ',';
    const bool end = i == line.size();
    if (quote && !end) {
      if (c == quote) quote = 0;
    } else if (end || (c == ',' && depth == 0)) {
      fields.push_back(trim(line.substr(begin, i - begin)));
      begin = i + 1;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '[') {
      ++depth;
    } else if (c == ']' && depth > 0) {
      --depth;
    }
  }
  return fields;
}

std::string unquoted(const std::string& field) {
  const bool quoted =
      field.size() >= 2 && (field.front() == '\'' || field.front() == '"') && field.back() == field.front();
  return quoted ? trim(std::string_view(field).substr(1, field.size() - 2)) : field;
}

void fail_at(const std::string& path, size_t line, const std::string& what) {
  throw UserError(fmt::format("{}:{}: {}", path, line, what));
}

double number_at(const std::string& path, size_t line, const std::string& column, const std::string& field) {
  const std::string text = unquoted(field);
  if (text.empty()) fail_at(path, line, fmt::format("column {}: no number", column));
  const size_t skip = text[0] == '+' ? 1 : 0;
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + skip, end, value);
  if (error != std::errc() || stop != end)
    fail_at(path, line, fmt::format("column {}: '{}' is not a number", column, text));
  if (!std::isfinite(value)) fail_at(path, line, fmt::format("column {}: '{}' is not finite", column, text));
  return value;
}

}  // namespace fringeflow::io
