// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Files that appear whole or not at all: written under a temporary name in the same folder, then renamed.
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace fringeflow::io {

/// One file being written. Every failure (unwritable folder, full disk, error on close) is a RunError that
/// names the path; the temporary file is removed when the object goes without commit().
class AtomicFile {
 public:
  /// Opens the temporary file beside `path`.
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Closes the temporary file: after this only the renaming is left. Some file systems report a full disk
  /// here.
  void close();
  /// Closes and renames to the final name.
  void commit();

  const std::string& path() const { return path_; }

 private:
  void discard() noexcept;
  [[noreturn]] void fail(int error, const char* what);

  std::string path_, temporary_;
  int fd_ = -1;
};

/// The files of one run that appear together: each is written and closed first, and commit() renames them
/// all. A run that fails before leaves nothing new behind, and the products of an earlier run under the same
/// names as they were. add() may be called from several threads.
class Products {
 public:
  void add(AtomicFile&& file);
  /// Renames all files added so far, in the order in which they came.
  void commit();
  /// Removes what has been added and not committed, now: its room may be wanted.
  void discard();
  /// Final names of the files added so far.
  std::vector<std::string> paths() const;

 private:
  mutable std::mutex mutex_;
  std::vector<AtomicFile> files_;
  std::vector<std::string> paths_;
};

/// Commits the file at once, or with the others when `products` is given.
void finish(AtomicFile&& file, Products* products);

/// Writes `text` to `path`, whole or not at all. Throws RunError.
void write_file(const std::string& path, std::string_view text, Products* products = nullptr);

/// Whole content of a file. Throws UserError naming the path when it cannot be read.
std::string read_file(const std::string& path);

/// Makes sure that files named PREFIX… can be written before hours are spent on a run: creates the missing
/// folders of the path and tries a file in the last one. Throws UserError for an empty prefix or one without
/// a name after its last slash, RunError naming the prefix when the folder cannot be made or written.
void check_writable_prefix(const std::string& prefix);

}  // namespace fringeflow::io
