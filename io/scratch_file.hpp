// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A nameless file for what a run writes once and reads again. It is gone with the process, whatever ends it.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>

namespace fringeflow::io {

/// Blocks are written and read by several threads at once, each at its own offset.
class ScratchFile {
 public:
  /// The file is made by the first write.
  explicit ScratchFile(std::string folder);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  /// Throws RunError, naming the folder, where it cannot be written (no folder, full disk).
  void write(int64_t offset, std::span<const std::byte> bytes);
  /// Throws RunError; what was not written cannot be read.
  void read(int64_t offset, std::span<std::byte> bytes);
  int64_t bytes_read() const { return bytes_read_; }

 private:
  void make();
  [[noreturn]] void fail(int error, const char* what) const;

  std::string folder_;
  std::once_flag made_;
  int fd_ = -1;
  std::atomic<int64_t> bytes_read_{0};
};

/// Bytes that may still be written in a folder; 0 where that cannot be told.
int64_t free_bytes(const std::string& folder);

}  // namespace fringeflow::io
