// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/extent.hpp"

#include <algorithm>
#include <cmath>

#include "io/constants.hpp"

namespace fringeflow::gridder {

void UvExtent::add_row(const double* uvw_m, std::span<const double> freq_hz, double max_uv_lambda) {
  if (freq_hz.empty()) return;
  const double lowest = std::min(freq_hz.front(), freq_hz.back()),
               highest = std::max(freq_hz.front(), freq_hz.back());
  const double longest_m = std::max(std::abs(uvw_m[0]), std::abs(uvw_m[1]));
  const double limit_hz = longest_m > 0 ? max_uv_lambda * kSpeedOfLight_m_s / longest_m : highest * 2;
  if (lowest >= limit_hz) return;
  const double top = std::min(highest, limit_hz) / kSpeedOfLight_m_s, bottom = lowest / kSpeedOfLight_m_s;
  const double u = std::abs(uvw_m[0]) * top, v = std::abs(uvw_m[1]) * top, w = std::abs(uvw_m[2]);
  min_w_lambda = visibilities == 0 ? w * bottom : std::min(min_w_lambda, w * bottom);
  max_u_lambda = std::max(max_u_lambda, u);
  max_v_lambda = std::max(max_v_lambda, v);
  max_w_lambda = std::max(max_w_lambda, w * top);
  visibilities += static_cast<int64_t>(freq_hz.size());
  ++rows;
  sum_u_lambda += u;
  sum_v_lambda += v;
  band_share = std::max(band_share, (highest - lowest) / highest);
  longest_lambda = std::max(longest_lambda, std::sqrt(u * u + v * v));
}

void UvExtent::add(const UvExtent& other) {
  if (other.visibilities == 0) return;
  min_w_lambda = visibilities == 0 ? other.min_w_lambda : std::min(min_w_lambda, other.min_w_lambda);
  max_u_lambda = std::max(max_u_lambda, other.max_u_lambda);
  max_v_lambda = std::max(max_v_lambda, other.max_v_lambda);
  max_w_lambda = std::max(max_w_lambda, other.max_w_lambda);
  visibilities += other.visibilities;
  rows += other.rows;
  sum_u_lambda += other.sum_u_lambda;
  sum_v_lambda += other.sum_v_lambda;
  band_share = std::max(band_share, other.band_share);
  longest_lambda = std::max(longest_lambda, other.longest_lambda);
}

double baseline_length2_m2(const double* uvw_m) {
  return uvw_m[0] * uvw_m[0] + uvw_m[1] * uvw_m[1] + uvw_m[2] * uvw_m[2];
}

void ExtentByLength::add_row(const double* uvw_m, std::span<const double> freq_hz, double max_uv_lambda) {
  const double length2 = baseline_length2_m2(uvw_m);
  const int shell = length2 < 1 ? 0 : std::min(std::ilogb(length2), kShells - 1);
  shells_[static_cast<size_t>(shell)].add_row(uvw_m, freq_hz, max_uv_lambda);
}

std::vector<UvExtent> ExtentByLength::parts(int begin, int end) const {
  std::vector<UvExtent> out;
  for (int shell = begin; shell < end; ++shell)
    if (!empty(shell)) out.push_back(shells_[static_cast<size_t>(shell)]);
  return out;
}

UvExtent ExtentByLength::total() const {
  UvExtent out;
  for (const UvExtent& shell : shells_) out.add(shell);
  return out;
}

BaselineShell ExtentByLength::shell(int begin, int end) {
  BaselineShell out;
  if (begin > 0) out.min_length2_m2 = std::ldexp(1.0, begin);
  if (end < kShells) out.max_length2_m2 = std::ldexp(1.0, end);
  return out;
}

}  // namespace fringeflow::gridder
