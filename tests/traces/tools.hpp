// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Programs that others made, where they are installed.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

namespace fringeflow::test {

/// Output of a command that must succeed, or nothing when the program is not installed.
/// @param environment "NAME=value ", put before it
inline std::optional<std::string> output_of_tool(const std::string& program, const std::string& arguments,
                                                 const std::string& environment = "") {
  if (std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) != 0) return std::nullopt;
  std::string text;
  std::FILE* pipe = popen((environment + program + " " + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::array<char, 4096> buffer;
  for (size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    text.append(buffer.data(), n);
  EXPECT_EQ(pclose(pipe), 0) << text;
  return text;
}

}  // namespace fringeflow::test
