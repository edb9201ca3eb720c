// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Gains of an h5parm as the rows of a MeasurementSet need them: by antenna number, time and channel, as Jones matrices.
#include <complex>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/h5parm.hpp"

namespace fringeflow::io {

/// The solution that is nearest in time and in frequency counts; with GainTable::bounds_s, the one whose interval holds the time.
class GainLookup {
 public:
  /// @param table gains of at least all of `antennas`, matched by name
  /// @param what the gains file, for messages
  /// @param set the MeasurementSet, for messages
  /// Throws UserError for antennas without gains and for gains of the other kind of feeds.
  GainLookup(const GainTable& table, std::span<const Antenna> antennas, std::span<const int> correlations,
             const std::string& what, const std::string& set);

  int64_t time_of(double time_s) const;
  /// Index of each channel on the table's frequency axis.
  std::vector<int32_t> frequencies_of(std::span<const double> freq_hz) const;
  /// Jones matrix by rows; the unit matrix where not valid.
  const std::complex<double>* jones(int64_t time, int64_t freq, int64_t antenna) const {
    return jones_.data() + 4 * index(time, freq, antenna);
  }
  /// Its inverse.
  const std::complex<double>* inverse(int64_t time, int64_t freq, int64_t antenna) const {
    return inverse_.data() + 4 * index(time, freq, antenna);
  }
  bool valid(int64_t time, int64_t freq, int64_t antenna, int64_t hand) const {
    return valid_[static_cast<size_t>(2 * index(time, freq, antenna) + hand)] != 0;
  }
  bool diagonal() const { return diagonal_; }
  /// All of it, for devices: [time][frequency][antenna][4], and [time][frequency][antenna][hand].
  std::span<const std::complex<double>> all_jones() const { return jones_; }
  std::span<const uint8_t> all_valid() const { return valid_; }
  int64_t frequencies() const { return frequencies_; }
  int64_t antennas() const { return antennas_; }

  /// Corrects a row: J_p^-1 V J_q^-H; samples without a valid solution are flagged and left.
  /// @param freq frequencies_of() the row's channels
  /// @param correlations CORR_TYPE codes
  /// @param vis,flag [channel][correlation]
  void correct(double time_s, int64_t p, int64_t q, std::span<const int32_t> freq,
               std::span<const int> correlations, std::complex<float>* vis, bool* flag) const;

 private:
  int64_t index(int64_t time, int64_t freq, int64_t antenna) const {
    return (time * frequencies_ + freq) * antennas_ + antenna;
  }

  int64_t frequencies_ = 1, antennas_ = 0;
  bool diagonal_ = true;
  std::vector<double> times_s_, freq_hz_;
  std::vector<std::pair<double, double>> bounds_s_;
  std::vector<std::complex<double>> jones_, inverse_;  ///< [time][freq][antenna][4]
  std::vector<uint8_t> valid_;                         ///< [time][freq][antenna][hand]
};

/// Several corrections, one after the other: the first is the outermost.
using GainChain = std::vector<std::shared_ptr<const GainLookup>>;

/// Row and column of a correlation in the coherency matrix: 0 for XX and RR, 1 for XY and RL, 2, 3.
inline int matrix_element(int correlation_code) { return (correlation_code - 5) % 4; }

}  // namespace fringeflow::io
