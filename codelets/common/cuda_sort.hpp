// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Indices in the order of their keys, on the device.
#include "codelets/common/cuda_worker.hpp"

namespace fringeflow::cuda {

/// Both in the worker's scratch, until its next use.
struct SortedIndices {
  const uint32_t* keys = nullptr;     ///< [count], ascending
  const uint32_t* indices = nullptr;  ///< [count]; those of equal keys ascending
};
/// @param keys worker.scratch(Scratch::keys) of `count` elements, written on the worker's stream
SortedIndices sort_indices(Worker& worker, const uint32_t* keys, int64_t count);

/// First place in an ascending list whose value is at least `key`.
FF_HD inline int64_t lower_bound(const uint32_t* sorted, int64_t count, uint32_t key) {
  int64_t begin = 0;
  while (count > 0) {
    const int64_t half = count / 2;
    const bool below = sorted[begin + half] < key;
    begin += below ? half + 1 : 0;
    count = below ? count - half - 1 : half;
  }
  return begin;
}

}  // namespace fringeflow::cuda
