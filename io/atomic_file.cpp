// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "io/error.hpp"

namespace fringeflow::io {
namespace {

namespace fs = std::filesystem;

/// A hidden name that no other thread or process uses; short, so that it fits wherever the final name fits.
std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> counter{0};
  const fs::path folder = fs::path(path).parent_path();
  return (folder / fmt::format(".fringeflow-{}-{}.tmp", getpid(), counter++)).string();
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  const std::string name = temporary_name(path_);
  fd_ = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail(errno, "cannot be written");
  temporary_ = name;
}

AtomicFile::~AtomicFile() { discard(); }

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this != &other) {
    discard();
    path_ = std::move(other.path_);
    temporary_ = std::exchange(other.temporary_, {});
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void AtomicFile::discard() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::fail(int error, const char* what) {
  discard();
  throw RunError(fmt::format("{}: {}: {}", path_, what, std::generic_category().message(error)));
}

void AtomicFile::write(const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(fd_, at, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(written < 0 ? errno : ENOSPC, "cannot be written");
    at += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::close() {
  if (fd_ < 0) return;
  // No fsync: it would cost seconds for every large image, and guards against power cuts only, not against a
  // full disk.
  if (::close(std::exchange(fd_, -1)) != 0) fail(errno, "cannot be written");
}

void AtomicFile::commit() {
  close();
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno, "cannot be put in place");
  temporary_.clear();
}

void Products::add(AtomicFile&& file) {
  file.close();
  const std::lock_guard lock(mutex_);
  paths_.push_back(file.path());
  files_.push_back(std::move(file));
}

void Products::commit() {
  const std::lock_guard lock(mutex_);
  for (AtomicFile& file : files_) file.commit();
  files_.clear();
}

void Products::discard() {
  const std::lock_guard lock(mutex_);
  files_.clear();
}

std::vector<std::string> Products::paths() const {
  const std::lock_guard lock(mutex_);
  return paths_;
}

void finish(AtomicFile&& file, Products* products) {
  if (products) {
    products->add(std::move(file));
  } else {
    file.commit();
  }
}

void write_file(const std::string& path, std::string_view text, Products* products) {
  AtomicFile file(path);
  file.write(text);
  finish(std::move(file), products);
}

std::string read_file(const std::string& path) {
  // A folder can be opened for reading, and only the first read fails: say what it is.
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
    throw UserError(path + ": is a folder, not a file");
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) throw UserError(fmt::format("{}: {}", path, std::generic_category().message(errno)));
  std::string text;
  char buffer[1 << 16];
  size_t n = 0;
  while ((n = std::fread(buffer, 1, sizeof(buffer), file.get())) > 0) text.append(buffer, n);
  if (std::ferror(file.get())) throw UserError(path + ": cannot be read");
  return text;
}

void check_writable_prefix(const std::string& prefix) {
  if (prefix.empty()) throw UserError("the output prefix is empty");
  if (prefix.back() == '/') {
    throw UserError(fmt::format("output prefix '{}' has no name after its last slash", prefix));
  }
  const fs::path folder = fs::path(prefix).parent_path();
  if (!folder.empty()) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) {
      throw RunError(
          fmt::format("{}: folder {} cannot be made: {}", prefix, folder.string(), error.message()));
    }
  }
  const AtomicFile trial(prefix);  // throws naming the prefix; its temporary file goes with it
}

}  // namespace fringeflow::io
