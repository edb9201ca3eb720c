// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/calibrate/solution_axes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "io/error.hpp"
#include "io/measurement_set_stokes.hpp"

namespace fringeflow::graphs {

void check_correlations(const io::CorrelationSource& source, std::span<const io::IntervalRows> intervals,
                        bool all_four) {
  const auto& info = source.info();
  std::map<int, int> seen;
  std::optional<std::vector<int>> common;
  for (const auto& interval : intervals) {
    const auto& codes = source.correlations(interval.window);
    const bool pair =
        codes == std::vector<int>{5, 8} || codes == std::vector<int>{9, 12} || codes.size() == 1;
    const bool all = codes == std::vector<int>{5, 6, 7, 8} || codes == std::vector<int>{9, 10, 11, 12};
    if (!pair && !all)
      throw UserError(
          fmt::format("'{}' has the correlations {}; calibrate takes XX, YY or RR, LL or all four in order",
                      info.path, io::correlation_names(codes)));
    if (all_four && !all)
      throw UserError(fmt::format("solve: full needs four correlations, '{}' has {}", info.path,
                                  io::correlation_names(codes)));
    if (common && *common != codes)
      throw UserError(
          fmt::format("'{}' has spectral windows with different correlations; split it", info.path));
    common = codes;
    const auto [at, fresh] =
        seen.try_emplace(info.windows[static_cast<size_t>(interval.window)].id, interval.window);
    if (!fresh && at->second != interval.window)
      throw UserError(
          fmt::format("'{}' has a spectral window with two polarisation setups; split it", info.path));
  }
}

void check_one_centre(const io::CorrelationSource& source, std::span<const io::IntervalRows> intervals,
                      const std::string& because) {
  const Direction* centre = nullptr;
  for (const auto& interval : intervals)
    for (const auto& chunk : interval.chunks) {
      if (centre && std::hypot(centre->ra_rad - chunk.phase_centre.ra_rad,
                               centre->dec_rad - chunk.phase_centre.dec_rad) > 1e-9)
        throw UserError(
            fmt::format("'{}' has fields with several phase centres, {}", source.info().path, because));
      centre = &chunk.phase_centre;
    }
}

std::vector<double> block_frequencies(const calibrate::Shape& shape, std::span<const double> freq_hz) {
  std::vector<double> out;
  for (int64_t block = 0; block < shape.blocks(); ++block) {
    const int64_t begin = block * shape.channels_per_solution,
                  end = std::min(begin + shape.channels_per_solution, shape.channels);
    double sum = 0;
    for (int64_t c = begin; c < end; ++c) sum += freq_hz[static_cast<size_t>(c)];
    out.push_back(sum / static_cast<double>(end - begin));
  }
  return out;
}

void FrequencyAxis::add(int window, std::span<const double> block_hz) {
  for (size_t block = 0; block < block_hz.size(); ++block)
    if (place_.try_emplace({window, static_cast<int64_t>(block)}, 0).second)
      blocks_.emplace_back(block_hz[block], window, static_cast<int64_t>(block));
}

void FrequencyAxis::arrange() {
  std::sort(blocks_.begin(), blocks_.end());
  for (const auto& [freq, window, block] : blocks_) {
    place_[{window, block}] = static_cast<int64_t>(freq_hz_.size());
    freq_hz_.push_back(freq);
  }
}

io::GainTable empty_table(const io::CorrelationSource& source, const FrequencyAxis& axis,
                          const calibrate::Shape& shape, int window, const Direction& centre) {
  io::GainTable table;
  table.times_s = source.interval_times_s();
  table.bounds_s = source.interval_bounds_s();
  table.freq_hz = axis.freq_hz();
  table.antennas = source.info().antennas;
  table.amplitudes = shape.kind == SolveKind::diagonal || shape.kind == SolveKind::full;
  table.centre = centre;
  if (!shape.scalar()) {
    const auto& codes = source.correlations(window);
    const auto hands = static_cast<int64_t>(codes.size());
    const int64_t polarisations = shape.polarisations();
    for (int64_t p = 0; p < polarisations; ++p) {
      const int code = codes[static_cast<size_t>(polarisations == hands ? p : p * (hands - 1))];
      table.polarisations.push_back(io::correlation_names(std::span<const int>(&code, 1)));
    }
  }
  const auto size = static_cast<size_t>(table.size());
  table.gains.assign(size, 1.);
  table.valid.assign(size, 0);
  return table;
}

void report_antennas(const io::GainTable& table) {
  const auto antennas = table.antennas.size(), pols = static_cast<size_t>(table.pols());
  std::vector<size_t> good(antennas);
  for (size_t i = 0; i < table.valid.size(); ++i) good[i / pols % antennas] += table.valid[i];
  const size_t each = table.valid.size() / antennas;
  std::vector<std::string> poor;
  for (size_t a = 0; a < antennas; ++a)
    if (2 * good[a] < each)
      poor.push_back(fmt::format("{} ({:.0f} %)", table.antennas[a].name,
                                 100 - 100 * static_cast<double>(good[a]) / static_cast<double>(each)));
  if (!poor.empty()) spdlog::warn("mostly flagged solutions: {}", fmt::join(poor, ", "));
}

}  // namespace fringeflow::graphs
