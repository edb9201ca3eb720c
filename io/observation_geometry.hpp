// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Baselines of an observation that is simulated, without a MeasurementSet.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "io/measurement_set.hpp"

namespace fringeflow::io {

class ObservationGeometry {
 public:
  /// @param name of what is simulated, for messages
  /// Throws UserError for nonsense in the description.
  ObservationGeometry(const NewMeasurementSet& description, std::string name);

  /// CORR_TYPE codes.
  const std::vector<int>& correlations() const { return codes_; }
  /// Antennas of the rows of one time: antenna1 < antenna2 (or equal with autocorrelations), antenna1 slowest.
  const std::vector<std::pair<int, int>>& pairs() const { return pairs_; }
  /// The same as [baseline][2].
  std::vector<int32_t> baseline_antennas() const;
  int64_t baselines() const { return static_cast<int64_t>(pairs_.size()); }

  /// What the columns of its MeasurementSet take, at least.
  uint64_t set_bytes() const;
  /// The phase centre as it comes back from a MeasurementSet, where directions are unit vectors in between.
  Direction stored_phase_centre() const;

  /// UVW of antennas relative to the first, J2000, by casacore's measures. Several threads may call this at once.
  /// @param uvw_m out: [antenna][3]
  void antenna_uvw(int64_t time_index, View<double, 2> uvw_m) const;
  /// UVW of all baselines at a time: position(antenna2) - position(antenna1).
  /// @param antenna_uvw_m [antenna][3], of antenna_uvw()
  /// @param uvw_m out: [baseline][3]
  void baseline_uvw(View<const double, 2> antenna_uvw_m, View<double, 2> uvw_m) const;

 private:
  void check() const;

  NewMeasurementSet set_;
  std::string name_;
  std::vector<int> codes_;
  std::vector<std::pair<int, int>> pairs_;
};

}  // namespace fringeflow::io
