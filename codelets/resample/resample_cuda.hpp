// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// resample on the device: along one axis, then along the other, sums in double. The functors run on the host too.
#include <span>

#include "codelets/common/cuda_worker.hpp"
#include "codelets/resample/resample.hpp"

namespace fringeflow::resample {

/// An axis with its tables on the device (or, in tests, the host).
struct AxisTables {
  int64_t coarse = 0, fine = 0;
  int taps = 0;
  const int32_t* first = nullptr;
  const int32_t* fine_range = nullptr;
  const double* weight = nullptr;
};
inline AxisTables host_axis(const Axis& axis) {
  return {axis.coarse,        axis.fine, axis.taps, axis.first->data(), axis.fine_range->data(),
          axis.weight->data()};
}

/// to[row][fine x] from coarse rows.
struct RefineAlongX {
  AxisTables x;
  const float* from;  ///< [rows][x.coarse]
  int64_t rows;
  float* to;  ///< [rows][x.fine]
  int64_t count() const { return rows * x.fine; }
  FF_HD void operator()(int64_t i) const {
    const int64_t column = i % x.fine;
    const float* at = from + i / x.fine * x.coarse + x.first[column];
    double sum = 0;
    for (int j = 0; j < x.taps; ++j) sum += x.weight[column * x.taps + j] * static_cast<double>(at[j]);
    to[i] = static_cast<float>(sum);
  }
};

/// image(y0 + y, x0 + x) from [coarse y][fine x].
struct RefineAlongY {
  AxisTables y;
  const float* from;
  int64_t nx;  ///< fine x
  int64_t y0, x0;
  View<float, 2> image;
  bool add = false;  ///< to the image's pixels
  int64_t count() const { return y.fine * nx; }
  FF_HD void operator()(int64_t i) const {
    const int64_t fine = i / nx, column = i % nx, row = y0 + fine, at = x0 + column;
    if (row < 0 || row >= image.extent(0) || at < 0 || at >= image.extent(1)) return;
    double sum = 0;
    for (int j = 0; j < y.taps; ++j)
      sum += y.weight[fine * y.taps + j] * static_cast<double>(from[(y.first[fine] + j) * nx + column]);
    float& to = image(row, at);
    to = add ? to + static_cast<float>(sum) : static_cast<float>(sum);
  }
};

/// to[coarse row - row_begin][fine x] from the model image; blank pixels and those outside count as 0.
struct CoarsenAlongY {
  AxisTables y;
  View<const float, 2> image;
  int64_t nx;  ///< fine x
  int64_t y0, x0, row_begin, rows;
  float* to;
  int64_t count() const { return rows * nx; }
  FF_HD void operator()(int64_t i) const {
    const int64_t coarse = row_begin + i / nx, at = x0 + i % nx;
    double sum = 0;
    if (at >= 0 && at < image.extent(1))
      for (int64_t fine = y.fine_range[2 * coarse]; fine < y.fine_range[2 * coarse + 1]; ++fine) {
        const int64_t row = y0 + fine;
        if (row < 0 || row >= image.extent(0)) continue;
        const auto value = static_cast<double>(image(row, at));
        if (value == value) sum += y.weight[fine * y.taps + coarse - y.first[fine]] * value;
      }
    to[i] = static_cast<float>(sum);
  }
};

/// to[row][coarse x] from [row][fine x].
struct CoarsenAlongX {
  AxisTables x;
  const float* from;
  int64_t rows;
  float* to;
  int64_t count() const { return rows * x.coarse; }
  FF_HD void operator()(int64_t i) const {
    const int64_t coarse = i % x.coarse;
    const float* row = from + i / x.coarse * x.fine;
    double sum = 0;
    for (int64_t fine = x.fine_range[2 * coarse]; fine < x.fine_range[2 * coarse + 1]; ++fine)
      sum += x.weight[fine * x.taps + coarse - x.first[fine]] * static_cast<double>(row[fine]);
    to[i] = static_cast<float>(sum);
  }
};

/// refine_cpu of all rows. @param strips [strip] pointers to the device, in the host's memory, of rows[strip] rows each
void refine_cuda(cuda::Stream stream, const Resampling& axes, std::span<const float* const> strips,
                 std::span<const int64_t> rows, int64_t y0, int64_t x0, View<float, 2> image,
                 bool add = false);

/// coarsen_cpu; the result lies in scratch that the next call on the stream overwrites.
View<const float, 2> coarsen_cuda(cuda::Stream stream, const Resampling& axes, View<const float, 2> image,
                                  int64_t y0, int64_t x0, int64_t row_begin, int64_t row_end);

}  // namespace fringeflow::resample
