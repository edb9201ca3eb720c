// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Small MeasurementSets for tests: made by our own writer, then edited with casacore where a test needs
/// something odd.
#include "io/casacore_cxx20.hpp"  // before casacore

#include <casacore/casa/Arrays/Array.h>
#include <casacore/tables/Tables/ArrayColumn.h>
#include <casacore/tables/Tables/ScalarColumn.h>
#include <casacore/tables/Tables/Table.h>
#include <fmt/format.h>

#include <complex>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/constants.hpp"
#include "io/measurement_set.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::test {

/// An array of a few stations within `size_m` of each other, near the MeerKAT site.
inline std::vector<io::Antenna> tiny_array(int count, double size_m = 1000) {
  std::vector<io::Antenna> antennas(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    auto& a = antennas[static_cast<size_t>(i)];
    a.name = fmt::format("T{}", i);
    const double centre[3] = {5109360.0, 2006852.6, -3238948.1};
    for (int k = 0; k < 3; ++k)
      a.position_m[k] = centre[k] + size_m * (((i * 7919 + k * 104729 + i * i * 31) % 1000) / 1000. - 0.5);
    a.diameter_m = 13.5;
  }
  return antennas;
}

struct TinySet {
  int antennas = 6, times = 5, channels = 4;
  double frequency_hz = 1.3e9, channel_width_hz = 1e6, size_m = 1000;
  Direction centre{0.5, -0.5};
  std::vector<std::string> correlations{"XX", "XY", "YX", "YY"};
  bool autocorrelations = false;
};

/// Visibility that tiny_set() writes: different for every row, channel and Stokes parameter.
inline std::complex<float> tiny_visibility(int stokes, int64_t row, int64_t channel) {
  return {static_cast<float>(1 + stokes) + 0.01f * static_cast<float>(row),
          static_cast<float>(channel) - 0.125f * static_cast<float>(stokes)};
}

/// Writes the set; rows are time by time, baseline by baseline.
inline void make_tiny_set(const std::string& path, const TinySet& options = {}) {
  io::NewMeasurementSet set;
  set.antennas = tiny_array(options.antennas, options.size_m);
  for (int t = 0; t < options.times; ++t) set.times_s.push_back(5.2739424e9 + 600 * t);
  set.interval_s = 8;
  for (int c = 0; c < options.channels; ++c)
    set.freq_hz.push_back(options.frequency_hz + c * options.channel_width_hz);
  set.channel_width_hz = options.channel_width_hz;
  set.phase_centre = options.centre;
  set.correlations = options.correlations;
  set.autocorrelations = options.autocorrelations;
  io::SimulationWriter writer(path, set);
  const int64_t baselines = writer.baselines(), channels = options.channels;
  std::vector<double> uvw(static_cast<size_t>(3 * baselines));
  std::vector<std::complex<float>> vis(static_cast<size_t>(4 * baselines * channels));
  for (int64_t t = 0; t < options.times; ++t) {
    writer.uvw_m(t, {uvw.data(), {baselines, 3}});
    const View<std::complex<float>, 3> v(vis.data(), {4, baselines, channels});
    for (int s = 0; s < 4; ++s) {
      for (int64_t b = 0; b < baselines; ++b) {
        for (int64_t c = 0; c < channels; ++c) v(s, b, c) = tiny_visibility(s, t * baselines + b, c);
      }
    }
    writer.write_time(t, {uvw.data(), {baselines, 3}}, "IQUV", v);
  }
  writer.commit();
}

/// The set opened for editing.
inline casacore::Table edit(const std::string& path) {
  return casacore::Table(path, casacore::Table::Update);
}

/// Changes one element of the cell of an array column; `index` fastest first.
template <class T>
void put_element(casacore::Table table, const std::string& column, int64_t row,
                 const casacore::IPosition& index, T value) {
  casacore::ArrayColumn<T> cells(table, column);
  casacore::Array<T> cell = cells(static_cast<casacore::rownr_t>(row));
  cell(index) = value;
  cells.put(static_cast<casacore::rownr_t>(row), cell);
}

template <class T>
void put_cell(casacore::Table table, const std::string& column, int64_t row, T value) {
  casacore::ScalarColumn<T>(table, column).put(static_cast<casacore::rownr_t>(row), value);
}

/// A chunk with the memory that it is read into.
struct Chunk {
  io::ChunkSpec spec;
  std::vector<double> uvw_m, scanned_uvw_m, time_s;
  std::vector<std::complex<float>> vis;
  std::vector<float> weight;
  std::vector<int32_t> antennas;
  io::ReadStatistics statistics;

  std::complex<float> vis_at(int64_t stokes, int64_t row, int64_t channel) const {
    return vis[static_cast<size_t>((stokes * spec.rows + row) * spec.channels + channel)];
  }
  float weight_at(int64_t stokes, int64_t row, int64_t channel) const {
    return weight[static_cast<size_t>((stokes * spec.rows + row) * spec.channels + channel)];
  }
};

/// Scans and reads everything.
inline std::vector<Chunk> read_all(io::MeasurementSet& set, const std::string& stokes = "I",
                                   int64_t target = 1 << 20, const std::optional<Direction>& centre = {}) {
  std::vector<Chunk> chunks;
  set.scan(target, centre, [&](const io::ChunkSpec& spec, View<const double, 2> uvw) {
    Chunk chunk;
    chunk.spec = spec;
    chunk.scanned_uvw_m.assign(uvw.data(), uvw.data() + uvw.size());
    chunks.push_back(std::move(chunk));
  });
  const auto kinds = static_cast<int64_t>(stokes.size());
  for (auto& chunk : chunks) {
    const int64_t rows = chunk.spec.rows, channels = chunk.spec.channels;
    chunk.uvw_m.resize(static_cast<size_t>(3 * rows));
    chunk.time_s.resize(static_cast<size_t>(rows));
    chunk.antennas.resize(static_cast<size_t>(2 * rows));
    chunk.vis.resize(static_cast<size_t>(kinds * rows * channels));
    chunk.weight.resize(chunk.vis.size());
    io::ChunkBuffers out;
    out.uvw_m = {chunk.uvw_m.data(), {rows, 3}};
    out.vis = {chunk.vis.data(), {kinds, rows, channels}};
    out.weight = {chunk.weight.data(), {kinds, rows, channels}};
    out.time_s = {chunk.time_s.data(), {rows}};
    out.antennas = {chunk.antennas.data(), {rows, 2}};
    chunk.statistics = set.read(chunk.spec, stokes, centre, out);
  }
  return chunks;
}

/// Path of a shared data set, unpacked into `folder`; nothing if the data are not at hand.
inline std::optional<std::string> shared_set(const std::string& name, const TemporaryFolder& folder) {
  const auto data = shared_data();
  if (!data) return {};
  const std::string archive = *data + "/" + name + "/" + name + ".ms.tar.xz";
  if (!std::filesystem::exists(archive)) return {};
  const std::string command = "tar xf '" + archive + "' -C '" + (folder / "") + "'";
  if (std::system(command.c_str()) != 0) return {};  // NOLINT(cert-env33-c): a test's own words
  return folder / (name + ".ms");
}

}  // namespace fringeflow::test
