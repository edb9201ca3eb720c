// SPDX-License-Identifier: GPL-3.0-or-later
#include <cub/device/device_radix_sort.cuh>

#include "codelets/common/cuda_launch.hpp"
#include "codelets/common/cuda_sort.hpp"

namespace fringeflow::cuda {
namespace {

struct OwnIndex {
  uint32_t* out;
  FF_HD void operator()(int64_t i) const { out[i] = static_cast<uint32_t>(i); }
};

}  // namespace

SortedIndices sort_indices(Worker& worker, const uint32_t* keys, int64_t count) {
  if (count > int64_t{0xffffffff}) throw std::runtime_error("too many rows for 32-bit indices");
  auto* indices = worker.scratch<uint32_t>(Scratch::values, count);
  auto* sorted_keys = worker.scratch<uint32_t>(Scratch::sorted_keys, count);
  auto* sorted_indices = worker.scratch<uint32_t>(Scratch::sorted_values, count);
  launch_elements(worker.stream(), count, OwnIndex{indices}, "sort: indices");
  size_t bytes = 0;
  check(cub::DeviceRadixSort::SortPairs(nullptr, bytes, keys, sorted_keys, indices, sorted_indices, count, 0,
                                        32, worker.stream()),
        "sort");
  void* temporary = worker.scratch<char>(Scratch::sort, static_cast<int64_t>(bytes));
  check(cub::DeviceRadixSort::SortPairs(temporary, bytes, keys, sorted_keys, indices, sorted_indices, count,
                                        0, 32, worker.stream()),
        "sort");
  return {sorted_keys, sorted_indices};
}

}  // namespace fringeflow::cuda
