// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/calibrate/write_corrected.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <complex>
#include <vector>

namespace fringeflow::graphs {
namespace {

constexpr int64_t kChunkVisibilities = int64_t{1} << 16;

}  // namespace

void write_corrected(const std::string& path, io::CorrelationSelection rows, const std::string& column) {
  io::CorrelationAccess access(path, std::move(rows), column);
  for (const auto& unit : access.divide(0, kChunkVisibilities))
    for (const auto& chunk : unit.chunks) {
      const int64_t correlations = access.info().windows[static_cast<size_t>(chunk.window)].correlations;
      const std::array<int64_t, 3> extents{chunk.rows, chunk.channels, correlations};
      const auto samples = static_cast<size_t>(chunk.rows * chunk.channels * correlations),
                 count = static_cast<size_t>(chunk.rows);
      std::vector<double> uvw(3 * count);
      std::vector<int32_t> antennas(2 * count);
      std::vector<std::complex<float>> vis(samples);
      std::vector<float> weight(samples);
      std::vector<uint8_t> flag(samples);
      io::CorrelationBuffers out{{uvw.data(), {chunk.rows, 3}},
                                 {antennas.data(), {chunk.rows, 2}},
                                 {vis.data(), extents},
                                 {weight.data(), extents},
                                 {flag.data(), extents}};
      access.read(chunk, out);
      access.write(chunk, out.vis, out.flag, true);
    }
  access.flush();
  spdlog::info("{}: column {} written, flags where gains have no solution", path, column);
}

}  // namespace fringeflow::graphs
