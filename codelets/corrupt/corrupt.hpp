// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What an instrument and an ionosphere do to visibilities: V_pq = J_p C J_q^H + noise, with C the 2 x 2 coherency of the model; and
/// the electron content that a thin turbulent screen puts above each antenna.
#include <complex>
#include <cstdint>
#include <span>
#include <vector>

#include "io/gain_lookup.hpp"
#include "io/options_simulate.hpp"
#include "io/view.hpp"

namespace fringeflow::corrupt {

/// A burst of interference: in the samples whose middle lies inside.
struct RfiBurst {
  double begin_s = 0, end_s = 0, freq_begin_hz = 0, freq_end_hz = 0, flux_jy = 0;
  std::vector<std::complex<double>> response;  ///< [antenna][hand]
  bool at(double time_s) const { return time_s >= begin_s && time_s <= end_s; }
  bool in(double freq_hz) const { return freq_hz >= freq_begin_hz && freq_hz <= freq_end_hz; }
};
/// Begins are uniform over the observation, centres over the band.
std::vector<RfiBurst> draw_bursts(const RfiModel& model, uint64_t seed, std::span<const double> times_s,
                                  std::span<const double> freq_hz, int64_t antennas);

/// Flags of one row, which follow from its antennas, time and channels alone. @param flag out: [channel], set to 1 where flagged
void flag_row(const FlagModel& model, std::span<const RfiBurst> bursts, uint64_t seed, int64_t p, int64_t q,
              double time_s, int32_t time_number, std::span<const double> freq_hz, uint8_t* flag);

struct CorruptArguments {
  std::span<const int> correlations;              ///< CORR_TYPE codes of `vis`
  View<const std::complex<float>, 3> stokes_vis;  ///< [stokes: I, or I, Q, U, V][row][channel], Jy
  View<const int32_t, 2> antennas;                ///< [row][2]
  std::span<const double> time_s;                 ///< [row], or one for all
  std::span<const int32_t> time_number;           ///< the same extents: counts for the noise
  const io::GainLookup* gains = nullptr;          ///< null: J is the unit matrix
  std::span<const int32_t> gain_frequency;        ///< [channel], of gains->frequencies_of()
  double noise_jy = 0;  ///< standard deviation of the real and of the imaginary part
  uint64_t seed = 0;
  View<std::complex<float>, 3> vis;  ///< out: [row][channel][correlation], Jy; 0 where a gain is not valid
  std::span<const RfiBurst> bursts = {};
  std::span<const double> freq_hz = {};  ///< [channel]; needed with `bursts`
};
/// Serial. The bits of a sample follow from its antennas, time, channel and correlation alone.
void corrupt_cpu(const CorruptArguments& arguments);

using Screen = ScreenOptions;

/// A screen is a sum of plane waves with random phases, of power k^(−11/3).
struct ScreenWave {
  double u = 0, v = 0, phase = 0, amplitude = 0;  ///< rad/m, rad, TECU
};
std::vector<ScreenWave> screen_waves(const Screen& screen);

/// TEC where the lines of sight from antennas to sources pierce the screen.
/// @param waves of screen_waves()
/// @param antenna_uv_m [antenna][2]: positions across the line of sight to the phase centre
/// @param lmn [source][3]
/// @param tec out: [source][antenna], TECU
void screen_cpu(const Screen& screen, std::span<const ScreenWave> waves, double seconds,
                View<const double, 2> antenna_uv_m, View<const double, 2> lmn, View<double, 2> tec);

/// The gains that the effects give to each antenna at these times and frequencies: hands, or matrices when there is leakage. Without
/// a bandpass, the table has one frequency.
/// @param circular the feeds' hands: R and L, else X and Y
io::GainTable draw_gains(std::span<const GainEffect> effects, uint64_t seed, std::span<const double> times_s,
                         std::span<const double> freq_hz, std::span<const io::Antenna> antennas,
                         bool circular);

}  // namespace fringeflow::corrupt
