// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The codelets that corrupt visibilities: `screen` before simulate, `corrupt` after it.
#include <functional>
#include <memory>
#include <vector>

#include "codelets/corrupt/corrupt.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::corrupt {

/// What is the same for every task of a graph.
struct Instrument {
  std::vector<int> correlations;  ///< CORR_TYPE codes
  std::shared_ptr<const io::GainLookup> gains;
  std::vector<int32_t> gain_frequency;  ///< [channel]
  double noise_jy = 0;
  uint64_t seed = 0;
  std::vector<RfiBurst> bursts;
  std::vector<double> freq_hz;  ///< [channel]; needed with bursts
};

/// Rows of a task: who observed when.
struct RowKeys {
  std::vector<int32_t> antennas;     ///< [row][2]
  std::vector<double> time_s;        ///< [row], or one
  std::vector<int32_t> time_number;  ///< the same
};

/// Buffers: vis [row][channel][correlation] complex float (write), model [stokes][row][channel] complex float (read).
struct CorruptArgs {
  int64_t rows = 0, channels = 0, stokes = 1;
  std::shared_ptr<const Instrument> instrument;
  std::shared_ptr<const RowKeys> keys;
};
const runtime::CodeletDef& corrupt_codelet();

/// Buffers: tec [source][time][antenna] double (write), uvw_m [time][row][3] double (read), whose rows with antenna 0 first tell where the
/// others are.
struct ScreenArgs {
  Screen screen;
  std::shared_ptr<const std::vector<ScreenWave>> waves;
  std::shared_ptr<const std::vector<double>> lmn;  ///< [source][3]
  std::shared_ptr<const RowKeys> keys;
  int64_t antennas = 0, rows = 0;  ///< rows of one time
  std::vector<double> seconds;     ///< [time], since the first integration
  /// The truth, [source][antenna] of one of these times; called by one task of a time.
  std::function<void(int64_t time, View<const double, 2>)> record;
};
const runtime::CodeletDef& screen_codelet();

}  // namespace fringeflow::corrupt
