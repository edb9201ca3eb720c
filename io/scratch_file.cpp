// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/scratch_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "io/error.hpp"

namespace fringeflow::io {

ScratchFile::ScratchFile(std::string folder) : folder_(folder.empty() ? "." : std::move(folder)) {}

void ScratchFile::make() {
  // Unlinked at once: neither a crash nor a signal leaves it behind.
  std::string name = folder_ + "/.fringeflow-XXXXXX";
  fd_ = mkostemp(name.data(), O_CLOEXEC);
  if (fd_ < 0) fail(errno, "a scratch file cannot be made here");
  unlink(name.c_str());
}

ScratchFile::~ScratchFile() {
  if (fd_ >= 0) ::close(fd_);
}

void ScratchFile::fail(int error, const char* what) const {
  throw RunError(fmt::format("{}: {}: {}; give another folder as runtime.cache, or 'none'", folder_, what,
                             std::generic_category().message(error)));
}

void ScratchFile::write(int64_t offset, std::span<const std::byte> bytes) {
  std::call_once(made_, [this] { make(); });
  while (!bytes.empty()) {
    const ssize_t done = pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail(done < 0 ? errno : ENOSPC, "the copy of the visibilities cannot be written");
    bytes = bytes.subspan(static_cast<size_t>(done));
    offset += done;
  }
}

void ScratchFile::read(int64_t offset, std::span<std::byte> bytes) {
  bytes_read_ += static_cast<int64_t>(bytes.size());
  while (!bytes.empty()) {
    const ssize_t done = pread(fd_, bytes.data(), bytes.size(), offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail(done < 0 ? errno : EIO, "the copy of the visibilities cannot be read");
    bytes = bytes.subspan(static_cast<size_t>(done));
    offset += done;
  }
}

int64_t free_bytes(const std::string& folder) {
  std::error_code error;
  const auto space = std::filesystem::space(folder.empty() ? "." : folder, error);
  return error ? 0 : static_cast<int64_t>(space.available);
}

}  // namespace fringeflow::io
