// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <vector>

#include "codelets/weight/weight.hpp"
#include "io/constants.hpp"

namespace fringeflow::weight {
namespace {

int64_t padded_size(int64_t pixels) {
  const auto n = static_cast<int64_t>(std::ceil(1.2 * static_cast<double>(pixels)));
  return (n + 3) / 4 * 4;
}

// floor of values well inside the range of int64 (std::floor is a library call without SSE4.1).
int64_t floor_to_int(double x) {
  const auto truncated = static_cast<int64_t>(x);
  return truncated - (static_cast<double>(truncated) > x ? 1 : 0);
}

bool inside(const DensityGeometry& geometry, double u, double v) {
  return std::abs(u) < geometry.max_uv_lambda && std::abs(v) < geometry.max_uv_lambda;
}

// Wavelengths per metre of the channels used.
std::vector<double> per_metre(const gridder::ChunkGeometry& chunk) {
  std::vector<double> out;
  for (int64_t c = chunk.channel_begin; c < chunk.channel_end; ++c)
    out.push_back(chunk.freq_hz[static_cast<size_t>(c)] / kSpeedOfLight_m_s);
  return out;
}

}  // namespace

DensityGeometry density_geometry(const gridder::ImageGeometry& image) {
  const int64_t nu = padded_size(image.nx), nv = padded_size(image.ny);
  return {nu, nv / 2, static_cast<double>(nu) * image.cell_rad, static_cast<double>(nv) * image.cell_rad,
          1 / (2 * image.cell_rad)};
}

int64_t density_cell(const DensityGeometry& geometry, double u_lambda, double v_lambda) {
  if (!inside(geometry, u_lambda, v_lambda)) return -1;
  const double u = v_lambda < 0 ? -u_lambda : u_lambda, v = v_lambda < 0 ? -v_lambda : v_lambda;
  const int64_t x = floor_to_int(u * geometry.cells_per_u + static_cast<double>(geometry.nu / 2));
  const int64_t y = floor_to_int(v * geometry.cells_per_v);
  return x >= 0 && x < geometry.nu && y < geometry.nv ? y * geometry.nu + x : -1;
}

void density_cpu(const DensityGeometry& geometry, const gridder::ChunkGeometry& chunk,
                 View<const float, 2> weight, double* density) {
  const std::vector<double> scale = per_metre(chunk);
  for (int64_t row = 0; row < weight.extent(0); ++row) {
    const double u = chunk.uvw_m(row, 0), v = chunk.uvw_m(row, 1);
    const float* w = &weight(row, chunk.channel_begin);
    for (size_t c = 0; c < scale.size(); ++c) {
      if (w[c] == 0) continue;
      const int64_t cell = density_cell(geometry, u * scale[c], v * scale[c]);
      if (cell >= 0) density[cell] += static_cast<double>(w[c]);
    }
  }
}

DensitySummary density_summary(const DensityGeometry& geometry, const double* density) {
  DensitySummary out;
  for (int64_t y = 0; y < geometry.nv; ++y) {
    double sum = 0, squares = 0;
    for (int64_t x = 0; x < geometry.nu; ++x) {
      const double w = density[y * geometry.nu + x];
      sum += w;
      squares += w * w;
    }
    out.sum += sum;
    out.sum_squares += squares;
  }
  return out;
}

double briggs_s2(double robust, const DensitySummary& summary) {
  if (!(summary.sum_squares > 0)) return 0;
  const double scale = 5 * std::pow(10.0, -robust);
  return scale * scale / (summary.sum_squares / summary.sum);
}

double taper_sigma_lambda(double fwhm_rad) { return 2 * std::sqrt(2 * std::log(2.0)) / (2 * kPi * fwhm_rad); }

int64_t apply_weights_cpu(const WeightScheme& scheme, double s2, const DensityGeometry& geometry,
                          const double* density, const gridder::ChunkGeometry& chunk, View<float, 2> weight) {
  const std::vector<double> scale = per_metre(chunk);
  const double sigma = scheme.taper_fwhm_rad > 0 ? taper_sigma_lambda(scheme.taper_fwhm_rad) : 0;
  const double taper = sigma > 0 ? -1 / (2 * sigma * sigma) : 0;
  int64_t beyond = 0;
  for (int64_t row = 0; row < weight.extent(0); ++row) {
    const double u_m = chunk.uvw_m(row, 0), v_m = chunk.uvw_m(row, 1);
    float* w = &weight(row, chunk.channel_begin);
    for (size_t c = 0; c < scale.size(); ++c) {
      if (w[c] == 0) continue;
      const double u = u_m * scale[c], v = v_m * scale[c];
      const int64_t cell = density_cell(geometry, u, v);
      if (cell < 0) {
        w[c] = 0;
        ++beyond;
        continue;
      }
      double factor = 1;
      if (scheme.weighting == Weighting::kUniform) factor = density[cell] > 0 ? 1 / density[cell] : 0;
      if (scheme.weighting == Weighting::kBriggs) factor = 1 / (1 + density[cell] * s2);
      if (sigma > 0) factor *= std::exp(taper * (u * u + v * v));
      w[c] = static_cast<float>(static_cast<double>(w[c]) * factor);
    }
  }
  return beyond;
}

void sum_weights_cpu(View<const float, 2> weight, int64_t channel_begin, int64_t channel_end, double& sum) {
  for (int64_t row = 0; row < weight.extent(0); ++row) {
    double row_sum = 0;
    for (int64_t c = channel_begin; c < channel_end; ++c) row_sum += static_cast<double>(weight(row, c));
    sum += row_sum;
  }
}

}  // namespace fringeflow::weight
