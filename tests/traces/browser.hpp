// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Pages as a browser leaves them when their scripts have run.
#include <array>
#include <cstdio>
#include <string>

#include "tests/io/temporary_folder.hpp"

namespace fringeflow::test {

inline std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 4096> buffer;
  for (size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    text.append(buffer.data(), n);
  pclose(pipe);
  return text;
}

/// The document of a page in the folder; empty where there is no Chromium.
inline std::string drawn(const TemporaryFolder& folder, const std::string& page) {
  const auto browser = output_of("command -v chromium-headless-shell chromium 2>/dev/null | head -n 1");
  if (browser.empty()) return {};
  return output_of("timeout 100 " + browser.substr(0, browser.find('\n')) +
                   " --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir='" +
                   (folder / "profile") + "' --dump-dom 'file://" + (folder / page) + "' 2>/dev/null");
}

}  // namespace fringeflow::test
