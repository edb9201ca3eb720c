// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Cholesky's factors of one symmetric matrix by one cuda::Team: batched by launching many. Left-looking, in panels; every element is one
/// thread's dot product, so that sums have one order.
#include <cmath>

#include "codelets/common/cuda_team.hpp"

namespace fringeflow::calibrate {

/// A = L L^T in the lower half of A, but for the diagonal of L.
struct Cholesky {
  int64_t n = 0;
  double* matrix = nullptr;    ///< [n][n]; only elements with column <= row are looked at
  double* diagonal = nullptr;  ///< out: [n] of L
  int32_t* failed = nullptr;   ///< one

  static constexpr int64_t kPanel = 32;

  /// @return false where A is not positive definite
  FF_HD bool factor(const cuda::Team& team) const {
    team.once([&] { *failed = 0; });
    for (int64_t k = 0; k < n; k += kPanel) {
      const int64_t width = n - k < kPanel ? n - k : kPanel;
      // What the columns before take off the panel.
      team.each((n - k) * width, [&](int64_t i) {
        const int64_t r = k + i / width, c = k + i % width;
        if (c > r) return;
        const double *a = matrix + r * n, *b = matrix + c * n;
        double sum = a[c];
        for (int64_t m = 0; m < k; ++m) sum -= a[m] * b[m];
        matrix[r * n + c] = sum;
      });
      for (int64_t j = k; j < k + width; ++j) {
        team.each(k + width - j, [&](int64_t i) {
          const double *a = matrix + (j + i) * n, *b = matrix + j * n;
          double sum = a[j], pivot = b[j];
          for (int64_t m = k; m < j; ++m) {
            sum -= a[m] * b[m];
            pivot -= b[m] * b[m];
          }
          if (i > 0) {
            matrix[(j + i) * n + j] = sum / sqrt(pivot);
            return;
          }
          diagonal[j] = sqrt(pivot);
          if (!(pivot > 0) || pivot - pivot != 0) *failed = 1;
        });
      }
      if (*failed != 0) return false;
      team.each(n - k - width, [&](int64_t i) {
        double* a = matrix + (k + width + i) * n;
        for (int64_t j = k; j < k + width; ++j) {
          const double* b = matrix + j * n;
          double sum = a[j];
          for (int64_t m = k; m < j; ++m) sum -= a[m] * b[m];
          a[j] = sum / diagonal[j];
        }
      });
    }
    return true;
  }

  /// A x = b. @param b [n], destroyed   @param x [n]
  FF_HD void solve(const cuda::Team& team, double* b, double* x) const {
    for (int64_t k = 0; k < n; ++k) {
      const double y = b[k] / diagonal[k];
      team.each(n - k, [&](int64_t i) {
        if (i == 0)
          x[k] = y;
        else
          b[k + i] -= matrix[(k + i) * n + k] * y;
      });
    }
    for (int64_t k = n - 1; k >= 0; --k) {
      const double y = x[k] / diagonal[k];
      team.each(k + 1, [&](int64_t i) {
        if (i == k)
          b[k] = y;
        else
          x[i] -= matrix[k * n + i] * y;
      });
    }
    team.each(n, [&](int64_t i) { x[i] = b[i]; });
  }
};

}  // namespace fringeflow::calibrate
