// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the solvers share: antennas that data join, and phases.
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <vector>

namespace fringeflow::calibrate {

/// Antennas that a chain of baselines joins to the best connected one, in order of distance; `strength(p, q)` for p < q is 0 without data.
template <class Strength>
std::vector<int64_t> connected(int64_t antennas, Strength&& strength) {
  std::vector<int64_t> degree(static_cast<size_t>(antennas));
  for (int64_t p = 0; p < antennas; ++p)
    for (int64_t q = p + 1; q < antennas; ++q)
      if (strength(p, q) > 0) ++degree[static_cast<size_t>(p)], ++degree[static_cast<size_t>(q)];
  const auto best = std::max_element(degree.begin(), degree.end());
  if (best == degree.end() || *best == 0) return {};
  std::vector<int64_t> queue{best - degree.begin()};
  std::vector<bool> seen(static_cast<size_t>(antennas));
  seen[static_cast<size_t>(queue[0])] = true;
  for (size_t i = 0; i < queue.size(); ++i)
    for (int64_t q = 0; q < antennas; ++q) {
      if (seen[static_cast<size_t>(q)] || q == queue[i]) continue;
      if (strength(std::min(q, queue[i]), std::max(q, queue[i])) > 0) {
        seen[static_cast<size_t>(q)] = true;
        queue.push_back(q);
      }
    }
  return queue;
}

/// x / |x|, 0 for 0.
inline std::complex<double> unit(std::complex<double> x) {
  const double size = std::abs(x);
  return size > 0 ? x / size : std::complex<double>(0);
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace fringeflow::calibrate
