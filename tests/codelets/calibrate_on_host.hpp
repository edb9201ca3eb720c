// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the tests of the calibrators' device code share, which run it on the CPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "codelets/calibrate/accumulate_cuda.hpp"
#include "tests/codelets/host_warps.hpp"

namespace fringeflow::test {

/// How the threads of a block are played.
enum class Play { forwards, backwards, warps };

/// One fit. @param carve (fast, slow) -> its space   @param run (space, team)
template <class Carve, class Run>
void play_fit(Play play, Carve&& carve, Run&& run) {
  cuda::Carver slow, fast;
  carve(fast, slow);
  // What a block of threads finds in memory is undefined.
  std::vector<cuda::Complex> a(static_cast<size_t>(fast.bytes() / 16 + 1), cuda::Complex(NAN, NAN)),
      b(static_cast<size_t>(slow.bytes() / 16 + 1), cuda::Complex(NAN, NAN));
  cuda::Carver in_a(a.data()), in_b(b.data());
  const auto space = carve(in_a, in_b);
  if (play == Play::warps)
    run_in_warps([&](const cuda::Team& team) { run(space, team); });
  else
    run(space, cuda::Team{play == Play::backwards});
}

/// Rows in the order of their baselines.
struct SortedRows {
  std::vector<uint32_t> keys, order;
  SortedRows(const std::vector<int32_t>& antennas, int64_t rows, int64_t stations)
      : order(static_cast<size_t>(rows)) {
    std::vector<uint32_t> of_row(order.size());
    for (int64_t i = 0; i < rows; ++i) calibrate::BaselineKey{antennas.data(), stations, of_row.data()}(i);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return of_row[a] < of_row[b]; });
    for (const uint32_t i : order) keys.push_back(of_row[i]);
  }
};

inline void expect_alike(const calibrate::Outcome& got, const calibrate::Outcome& want, int iterations,
                         double residual) {
  EXPECT_EQ(got.antennas, want.antennas);
  EXPECT_EQ(got.converged, want.converged);
  EXPECT_EQ(got.failed, want.failed);
  EXPECT_EQ(got.samples, want.samples);
  EXPECT_NEAR(got.iterations, want.iterations, iterations);
  EXPECT_NEAR(got.data_power, want.data_power, 1e-9 * want.data_power);
  EXPECT_NEAR(got.residual_power, want.residual_power, residual * want.data_power);
}

}  // namespace fringeflow::test
