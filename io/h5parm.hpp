// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Gains in the h5parm format of LoSoTo and DP3: an HDF5 file with the solution set sol000, its tables antenna and source, and the
/// solution tables amplitude000 and phase000 (val and weight over time, freq, ant and pol). A solution of weight 0 is flagged.
#include <complex>
#include <cstdint>
#include <string>
#include <vector>

#include "io/measurement_set.hpp"

namespace fringeflow::io {

/// Gains of one direction.
struct GainTable {
  std::vector<double> times_s;  ///< middle of each interval, MJD UTC seconds
  std::vector<double> freq_hz;  ///< middle of each block of channels
  std::vector<Antenna> antennas;
  std::vector<std::string>
      polarisations;       ///< "XX", "YY", …; empty: one gain for both hands, without an axis pol
  bool amplitudes = true;  ///< else phases alone: amplitudes are 1
  std::vector<std::complex<double>> gains;  ///< [time][freq][antenna][polarisation]
  std::vector<uint8_t> valid;               ///< the same extents
  Direction centre;                         ///< of the one entry of the table of sources
  /// First and last TIME of each interval; not stored in files, where the nearest middle decides. Empty: not known.
  std::vector<std::pair<double, double>> bounds_s;

  int64_t pols() const { return polarisations.empty() ? 1 : static_cast<int64_t>(polarisations.size()); }
  int64_t size() const {
    return static_cast<int64_t>(times_s.size() * freq_hz.size() * antennas.size()) * pols();
  }
};

/// Gains of several directions: one table for each, with the same axes.
struct DirectionalGains {
  std::vector<std::string> names;  ///< as in the file's table of sources, "[D0]"
  std::vector<Direction> directions;
  std::vector<GainTable> tables;
};

/// Electron content above antennas towards directions: a phase of kTecRadHz · TEC / ν.
struct TecTable {
  std::vector<double> times_s;
  std::vector<Antenna> antennas;
  std::vector<Direction> directions;
  std::vector<double> tec;          ///< [time][antenna][direction], TECU
  std::vector<uint8_t> valid = {};  ///< the same extents; empty: all
};

/// Writes the file, whole or not at all: amplitude000 and phase000 and, with `tec`, tec000 beside them. A flagged gain is written as 1
/// with weight 0. Throws RunError naming the path.
void write_h5parm(const std::string& path, const GainTable& table, const TecTable* tec = nullptr);

/// The same with an axis dir, in the order time, freq, ant, dir, pol; the table of sources has the directions. `tec` belongs to them.
void write_h5parm(const std::string& path, const DirectionalGains& gains, const TecTable* tec = nullptr);

/// Reads sol000 of such a file; axes may come in any order, dir has one entry. Throws UserError naming the path and what it lacks.
GainTable read_h5parm(const std::string& path);

/// The same with any number of directions, which are looked up in the table of sources.
DirectionalGains read_directional_h5parm(const std::string& path);

}  // namespace fringeflow::io
