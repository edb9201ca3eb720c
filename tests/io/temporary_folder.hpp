// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the tests of file formats share.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>

namespace fringeflow::test {

/// A folder that goes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "fringeflow-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return *this / name;
  }
  size_t count() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

/// The folder of real data sets, when it is there.
inline std::optional<std::string> shared_data() {
  std::string path;
  if (const char* given = std::getenv("FRINGEFLOW_SHARED_DATA")) path = given;
#ifdef FRINGEFLOW_SOURCE_DIR
  if (path.empty()) path = FRINGEFLOW_SOURCE_DIR "/../shared/data";
#endif
  if (path.empty() || !std::filesystem::is_directory(path)) return std::nullopt;
  return path;
}

/// The message of the exception of type E that `action` throws; a failed test when it throws nothing or
/// something else.
template <class E, class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
    return {};
  }
  ADD_FAILURE() << "no exception";
  return {};
}

}  // namespace fringeflow::test
