// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/workflow/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fringeflow::graphs {
namespace {

/// Messages quote the user's bytes: control characters would garble a terminal.
std::string printable(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
  }
  constexpr std::size_t kLongest = 600;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  return text;
}

std::string all(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& d : diagnostics) {
    if (!text.empty()) text += '\n';
    text += d.text();
  }
  return text;
}

}  // namespace

std::string Place::text() const { return line == 0 ? file : fmt::format("{}:{}:{}", file, line, column); }

std::string about(const Place& place, const std::string& key, const std::string& message) {
  return place.line == 0 && place.file.starts_with("--") ? message : key + ": " + message;
}

std::string Diagnostic::text() const {
  return place.file.empty() ? message : fmt::format("{}: {}", place.text(), message);
}

WorkflowError::WorkflowError(std::vector<Diagnostic> diagnostics)
    : UserError(all(diagnostics)), diagnostics_(std::move(diagnostics)) {}

void Diagnostics::error(const Place& place, std::string message) {
  constexpr std::size_t kMost = 100;
  if (found_.size() > kMost) return;
  Diagnostic found{place, found_.size() == kMost ? "too many errors" : printable(std::move(message))};
  for (const Diagnostic& other : found_) {
    if (other.text() == found.text()) return;
  }
  found_.push_back(std::move(found));
}

void Diagnostics::add(const Diagnostics& other) {
  for (const Diagnostic& found : other.found_) error(found.place, found.message);
}

void Diagnostics::raise() const {
  if (found_.empty()) return;
  std::vector<Diagnostic> sorted = found_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
  });
  throw WorkflowError(std::move(sorted));
}

}  // namespace fringeflow::graphs
