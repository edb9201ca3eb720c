// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Baseline-dependent averaging in time: which integrations become one row.
#include <cstdint>
#include <vector>

#include "io/measurement_set.hpp"
#include "io/options_simulate.hpp"

namespace fringeflow::io {

/// Integrations that are averaged on each baseline, a power of two, so that longer averages hold whole shorter ones.
///
/// A point at the angle θ from the phase centre, s - s0 away from it, turns on the baseline b at (ω × b)·(s - s0) ν / c turns a second,
/// at most ω b_eq 2 sin(θ/2) ν / c with b_eq the part of b that is perpendicular to the earth's axis. The mean of n samples x half turns
/// of phase apart, 2x = 2π rate · interval, keeps sin(n x) / (n sin x) of it: n is the largest that loses no more than asked at the edge
/// of the field and at the highest frequency. Autocorrelations do not turn.
/// @return [baseline] as in ObservationGeometry::pairs()
std::vector<int32_t> integrations_to_average(const NewMeasurementSet& set, const AveragingOptions& options);

/// Consecutive integrations of a baseline that become one row.
struct AveragedRow {
  int32_t baseline = 0;
  int32_t count = 0;
  int64_t begin = 0;
};

/// The rows of an observation in blocks of integrations that no average reaches across.
class AveragedRows {
 public:
  /// @param integrations [baseline], of integrations_to_average()   @param times of the observation
  AveragedRows(std::vector<int32_t> integrations, int64_t times);

  /// Integrations of a block; the last may have fewer, and its averages with it.
  int64_t block_times() const { return block_times_; }
  int64_t blocks() const { return (times_ + block_times_ - 1) / block_times_; }
  int64_t rows() const;
  /// Rows before a block.
  int64_t first_row(int64_t block) const { return block * rows_of_block(block_times_); }
  /// Rows of a block by the end of their times, which is what DP3 reads, then by baseline. `begin` counts from the first time of all.
  std::vector<AveragedRow> block(int64_t index) const;

 private:
  int64_t rows_of_block(int64_t times) const;

  std::vector<int32_t> integrations_;
  int64_t times_ = 0, block_times_ = 1;
};

}  // namespace fringeflow::io
