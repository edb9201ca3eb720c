// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// density, density_summary and weigh on the device.
///
/// density sorts the visibilities by cell (stable radix sort), and one thread adds up a cell's weights in the
/// order of the data: bit for bit what density_cpu does, without atomics.
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include "codelets/common/cuda_worker.hpp"
#include "codelets/weight/weight.hpp"
#include "io/constants.hpp"

namespace fringeflow::weight {

inline constexpr uint32_t kNoCell = 0xffffffffu;

/// density_cell for kernels: the same operations one by one, never fused, so that the CPU's cells come out.
FF_HD inline int64_t density_cell_of(const DensityGeometry& geometry, double u_lambda, double v_lambda) {
  if (!(fabs(u_lambda) < geometry.max_uv_lambda && fabs(v_lambda) < geometry.max_uv_lambda)) return -1;
  const double u = v_lambda < 0 ? -u_lambda : u_lambda, v = v_lambda < 0 ? -v_lambda : v_lambda;
#ifdef __CUDA_ARCH__
  const double x = __dadd_rn(__dmul_rn(u, geometry.cells_per_u), static_cast<double>(geometry.nu / 2));
#else
  const double x = u * geometry.cells_per_u + static_cast<double>(geometry.nu / 2);
#endif
  const auto column = static_cast<int64_t>(floor(x)),
             row = static_cast<int64_t>(floor(v * geometry.cells_per_v));
  return column >= 0 && column < geometry.nu && row < geometry.nv ? row * geometry.nu + column : -1;
}

/// Channels of a chunk in the device's memory.
struct WeightChunk {
  const double* uvw_m = nullptr;  ///< [row][3]
  const double* freq_hz = nullptr;
  int64_t rows = 0, channels = 0;
  int64_t channel_begin = 0, channel_end = 0;
  FF_HD int64_t used() const { return channel_end - channel_begin; }
  FF_HD int64_t cell(const DensityGeometry& geometry, int64_t row, int64_t channel, double& u,
                     double& v) const {
    const double per_m = freq_hz[channel] / kSpeedOfLight_m_s;
    u = uvw_m[3 * row] * per_m;
    v = uvw_m[3 * row + 1] * per_m;
    return density_cell_of(geometry, u, v);
  }
};

/// Key of visibility i (row by row): its cell, or kNoCell.
struct DensityKey {
  DensityGeometry geometry;
  WeightChunk chunk;
  const float* weight;  ///< [row][channels]
  uint32_t* keys;
  uint32_t* values;  ///< where its weight is
  FF_HD void operator()(int64_t i) const {
    const int64_t row = i / chunk.used(), channel = chunk.channel_begin + i % chunk.used(),
                  at = row * chunk.channels + channel;
    double u, v;
    const int64_t cell = weight[at] == 0 ? -1 : chunk.cell(geometry, row, channel, u, v);
    keys[i] = cell < 0 ? kNoCell : static_cast<uint32_t>(cell);
    values[i] = static_cast<uint32_t>(at);
  }
};
/// The first of a cell's sorted visibilities adds them all up.
struct AddCell {
  const uint32_t* keys;
  const uint32_t* values;
  const float* weight;
  double* density;
  int64_t count;
  FF_HD void operator()(int64_t i) const {
    const uint32_t key = keys[i];
    if (key == kNoCell || (i > 0 && keys[i - 1] == key)) return;
    double sum = density[key];
    for (int64_t j = i; j < count && keys[j] == key; ++j) sum += static_cast<double>(weight[values[j]]);
    density[key] = sum;
  }
};

/// What weigh multiplies a weight with.
struct WeightFactor {
  Weighting weighting;
  double briggs_scale2;           ///< (5 10^-robust)^2
  double taper;                   ///< -1 / (2 sigma^2), 0: none
  const double* density;          ///< null: natural
  const DensitySummary* summary;  ///< Briggs only

  FF_HD double s2() const {
    return weighting == Weighting::kBriggs && summary->sum_squares > 0
               ? briggs_scale2 / (summary->sum_squares / summary->sum)
               : 0;
  }
  FF_HD double operator()(int64_t cell, double u, double v, double briggs_s2) const {
    double factor = 1;
    if (weighting == Weighting::kUniform) factor = density[cell] > 0 ? 1 / density[cell] : 0;
    if (weighting == Weighting::kBriggs) factor = 1 / (1 + density[cell] * briggs_s2);
    if (taper != 0) factor *= exp(taper * (u * u + v * v));
    return factor;
  }
};
inline WeightFactor weight_factor(const WeightScheme& scheme, const double* density,
                                  const DensitySummary* summary) {
  const double scale = 5 * std::pow(10.0, -scheme.robust);
  const double sigma =
      scheme.taper_fwhm_rad > 0 ? 2 * std::sqrt(2 * std::log(2.0)) / (2 * kPi * scheme.taper_fwhm_rad) : 0;
  return {scheme.weighting, scale * scale, sigma > 0 ? -1 / (2 * sigma * sigma) : 0, density, summary};
}

/// density_cpu on the stream; all pointers to the device's memory. The grid must have fewer than 2^32 - 1
/// cells.
void density_cuda(cuda::Stream stream, const DensityGeometry& geometry, const WeightChunk& chunk,
                  const float* weight, double* density);

void density_summary_cuda(cuda::Stream stream, const DensityGeometry& geometry, const double* density,
                          DensitySummary* out);

/// apply_weights_cpu on the stream.
/// @param beyond gets the number of visibilities beyond the grid, later, on a thread of the driver's; may be
/// empty
void apply_weights_cuda(cuda::Stream stream, const WeightFactor& factor, const DensityGeometry& geometry,
                        const WeightChunk& chunk, float* weight, std::function<void(int64_t)> beyond);

/// sum_weights_cpu on the stream, in another order of summation, always the same for the same rows.
/// @param weight, sum  in the device's memory
void sum_weights_cuda(cuda::Stream stream, View<const float, 2> weight, int64_t channel_begin,
                      int64_t channel_end, double* sum);

}  // namespace fringeflow::weight
