// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "io/error.hpp"

namespace fringeflow::runtime {

/// One allocation: pages come when they are written, huge ones where they pay.
class Memory {
 public:
  explicit Memory(int64_t bytes) : bytes_(std::max<int64_t>(bytes, 64)) {
    data_ = mmap(nullptr, static_cast<size_t>(bytes_), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data_ == MAP_FAILED)
      throw RunError("out of memory: cannot reserve " + std::to_string(bytes_ >> 20) + " MiB");
    if (bytes_ >= int64_t{16} << 20) madvise(data_, static_cast<size_t>(bytes_), MADV_HUGEPAGE);
  }
  ~Memory() { munmap(data_, static_cast<size_t>(bytes_)); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  void* data_;
  int64_t bytes_;
};

}  // namespace fringeflow::runtime
