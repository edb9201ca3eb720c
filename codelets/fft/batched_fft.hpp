// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Batched complex transforms with the batch in the SIMD lanes: kLanes<T> transforms of length n at once.
#include <cstdint>
#include <memory>
#include <vector>

#include "codelets/gridder/geometry.hpp"

namespace fringeflow::fft {

/// Smallest even 2^a 3^b 5^c >= n that is a multiple of `multiple`.
int64_t good_size(int64_t n, int64_t multiple = 2);

/// Sum over j of x[j] exp(sign 2 pi i j k / n), unnormalised, for kLanes<T> sequences at once.
/// Immutable after construction and shared between threads; scratch is the caller's. Same bits on every machine that has
/// fused multiply-add, whatever the SIMD width (Highway picks the target at run time).
template <class T>
class BatchedFft {
 public:
  explicit BatchedFft(int64_t n);  ///< n = 2^a 3^b 5^c; throws std::invalid_argument otherwise
  ~BatchedFft();
  int64_t size() const;
  int64_t scratch_scalars() const;  ///< scalars of T that execute() needs
  /// x: [n][re, im][lane], 64-byte aligned, transformed in place, natural order in and out. sign is +1 or -1.
  void execute(T* x, T* scratch, int sign) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

/// The transform of a length, made once per process and shared.
template <class T>
std::shared_ptr<const BatchedFft<T>> batched_fft(int64_t n);

}  // namespace fringeflow::fft
