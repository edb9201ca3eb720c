// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Numbers behind a batched transform: how a length is split into passes, and its twiddle factors. Internal
/// to fft.
///
/// A short transform runs as Stockham passes between buffers that fit the first-level cache. A long one is
/// split as n = n1 n2 (four steps): transforms of length n1 over j1 of element j1 n2 + j2, twiddles, and
/// transforms of length n2. Output k = k1 + n1 k2 is then at k1 n2 + k2: position(k). The planes' kernels
/// read it there; BatchedFft puts it in order.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace fringeflow::fft {

/// Passes of a short transform, sign +.
template <class T>
struct ShortPlan {
  explicit ShortPlan(int n);
  int n = 1;
  std::vector<int> radices;
  /// [pass][p][k], (cos, sin) of 2 pi p k / n_pass, rows p of the pass's radix entries.
  std::vector<std::vector<T>> twiddles;
};

template <class T>
struct TransformPlan {
  explicit TransformPlan(int64_t length);  ///< throws std::invalid_argument unless 2^a 3^b 5^c
  int64_t n;
  int n1, n2;  ///< n1 == 1: one short transform
  ShortPlan<T> first, second;
  std::vector<T> between;  ///< [j2][k1] (cos, sin) of 2 pi j2 k1 / n

  /// Where output k is after the transform "in place".
  int64_t position(int64_t k) const { return k % n1 * n2 + k / n1; }
  /// Scalars of T that a transform in place needs: two buffers of the longer short transform.
  int64_t scratch_scalars() const;
};

/// Made once per length and process, thread-safe.
template <class T>
std::shared_ptr<const TransformPlan<T>> transform_plan(int64_t n);

}  // namespace fringeflow::fft
