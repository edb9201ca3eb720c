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
    // Huge pages only cover what is aligned to them.
    const int64_t spare = bytes_ >= 2 * kHugePage ? kHugePage : 0;
    mapped_ = bytes_ + spare;
    mapping_ = mmap(nullptr, static_cast<size_t>(mapped_), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping_ == MAP_FAILED)
      throw RunError("out of memory: cannot reserve " + std::to_string(bytes_ >> 20) + " MiB");
    const auto address = reinterpret_cast<uintptr_t>(mapping_);
    data_ =
        spare == 0 ? mapping_ : reinterpret_cast<void*>((address + kHugePage - 1) / kHugePage * kHugePage);
    if (spare > 0) madvise(data_, static_cast<size_t>(bytes_), MADV_HUGEPAGE);
  }
  ~Memory() { munmap(mapping_, static_cast<size_t>(mapped_)); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  static constexpr int64_t kHugePage = int64_t{2} << 20;
  void *mapping_, *data_;
  int64_t bytes_, mapped_ = 0;
};

}  // namespace fringeflow::runtime
