// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "io/error.hpp"

namespace fringeflow::runtime {

/// One allocation: pages come when they are written, or all at once by populate(). Huge pages are not asked for: where the
/// kernel must first make them (a virtual machine that gives free ones back, fragmented memory) they cost seconds per GiB.
class Memory {
 public:
  explicit Memory(int64_t bytes) : bytes_(std::max<int64_t>(bytes, 64)) {
    data_ = mmap(nullptr, static_cast<size_t>(bytes_), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data_ == MAP_FAILED)
      throw RunError("out of memory: cannot reserve " + std::to_string(bytes_ >> 20) + " MiB");
  }
  ~Memory() { munmap(data_, static_cast<size_t>(bytes_)); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

  /// Fetches all pages of memory that is about to be written whole: in one call they cost half of what they cost one by one.
  void populate() const {
    if (bytes_ < kWorthwhile) return;
#ifdef MADV_POPULATE_WRITE
    madvise(data_, static_cast<size_t>(bytes_), MADV_POPULATE_WRITE);  // refused by old kernels: no harm
#endif
  }

 private:
  static constexpr int64_t kWorthwhile = int64_t{1} << 20;
  void* data_;
  int64_t bytes_;
};

}  // namespace fringeflow::runtime
