// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// The host's part of corrupt on the device.
#include "codelets/corrupt/corrupt_cuda.hpp"

namespace fringeflow::corrupt {

std::vector<RowPlace> row_places(const Instrument& instrument, const RowKeys& keys, int64_t rows) {
  std::vector<RowPlace> out(static_cast<size_t>(rows));
  for (size_t row = 0; row < out.size(); ++row) {
    const size_t at = keys.time_s.size() == 1 ? 0 : row;
    out[row] = {keys.antennas[2 * row], keys.antennas[2 * row + 1],
                instrument.gains ? static_cast<int32_t>(instrument.gains->time_of(keys.time_s[at])) : 0,
                keys.time_number.empty() ? 0 : keys.time_number[at], keys.time_s[at]};
  }
  return out;
}

std::vector<BurstBounds> burst_bounds(const std::vector<RfiBurst>& bursts) {
  std::vector<BurstBounds> out;
  for (const auto& burst : bursts)
    out.push_back({burst.begin_s, burst.end_s, burst.freq_begin_hz, burst.freq_end_hz, burst.flux_jy});
  return out;
}

std::vector<std::complex<double>> burst_responses(const std::vector<RfiBurst>& bursts) {
  std::vector<std::complex<double>> out;
  for (const auto& burst : bursts) out.insert(out.end(), burst.response.begin(), burst.response.end());
  return out;
}

InstrumentTables instrument_numbers(const Instrument& instrument) {
  InstrumentTables out;
  out.correlations = static_cast<int>(instrument.correlations.size());
  for (size_t k = 0; k < instrument.correlations.size(); ++k)
    out.element[k] = io::matrix_element(instrument.correlations[k]);
  out.circular = instrument.correlations.front() <= 8;
  out.noise_jy = instrument.noise_jy;
  out.seed = instrument.seed;
  out.bursts = static_cast<int64_t>(instrument.bursts.size());
  if (out.bursts > 0)
    out.burst_antennas = static_cast<int64_t>(instrument.bursts.front().response.size() / 2);
  return out;
}

}  // namespace fringeflow::corrupt
