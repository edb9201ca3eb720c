// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Where visibilities lie, from UVW and frequencies only: what the planner knows of the data.
#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace fringeflow::gridder {

/// Extent of the visibilities of one image (one output channel), or of those on some of its baselines.
struct UvExtent {
  double max_u_lambda = 0, max_v_lambda = 0;  ///< of |u|, |v| among those on the grid (|u|, |v| < 1/(2 cell))
  double min_w_lambda = 0, max_w_lambda = 0;  ///< of |w| (after conjugation w >= 0)
  int64_t visibilities = 0;                   ///< rows x channels on the grid
  int64_t rows = 0;                           ///< with at least a channel on the grid
  // For the cost of compressed channels; 0: not known.
  double sum_u_lambda = 0, sum_v_lambda = 0;  ///< of |u|, |v| over rows, at the highest frequency
  double band_share = 0;                      ///< (highest - lowest frequency) / highest of a row
  double longest_lambda = 0;                  ///< of sqrt(u^2 + v^2)

  /// Widens the extent by one row's channels, as far as they are on the grid.
  /// @param freq_hz ascending or descending
  void add_row(const double* uvw_m, std::span<const double> freq_hz, double max_uv_lambda);
  void add(const UvExtent& other);
};

/// Square of the baseline's projected length with w, u^2 + v^2 + w^2: the same for all channels and times. Not inline, so that
/// a row lies in the same shell for all who ask.
double baseline_length2_m2(const double* uvw_m);

/// Baselines with min <= length^2 < max. A facet grids the rows of its shell only.
struct BaselineShell {
  double min_length2_m2 = 0, max_length2_m2 = 1e300;
  bool all() const { return min_length2_m2 <= 0 && max_length2_m2 >= 1e300; }
  bool has(const double* uvw_m) const {
    const double length2 = baseline_length2_m2(uvw_m);
    return length2 >= min_length2_m2 && length2 < max_length2_m2;
  }
};

/// Extents by the length of the baseline: shell k has lengths of sqrt(2)^k to sqrt(2)^(k + 1) metres, the first and the last
/// what is shorter and longer.
class ExtentByLength {
 public:
  static constexpr int kShells = 64;
  void add_row(const double* uvw_m, std::span<const double> freq_hz, double max_uv_lambda);
  /// Of the shells [begin, end) that have visibilities.
  std::vector<UvExtent> parts(int begin, int end) const;
  UvExtent total() const;
  bool empty(int shell) const { return shells_[static_cast<size_t>(shell)].visibilities == 0; }
  static BaselineShell shell(int begin, int end);

 private:
  std::array<UvExtent, kShells> shells_;
};

}  // namespace fringeflow::gridder
