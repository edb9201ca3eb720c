// SPDX-License-Identifier: GPL-3.0-or-later
// Sets that do not exist yet: enough of them for planning and forecasts.
#include <fmt/format.h>

#include <algorithm>

#include "io/measurement_set_impl.hpp"
#include "io/observation_geometry.hpp"

namespace fringeflow::io {

MeasurementSet::MeasurementSet(const std::string& path, const NewMeasurementSet& set,
                               const Selection& selection)
    : impl_(std::make_unique<Impl>()) {
  Impl& m = *impl_;
  m.selection = selection;
  m.mutex = std::make_shared<std::mutex>();
  m.info.path = path;
  const auto refuse = [&](const std::string& what) {
    throw UserError(fmt::format("{} does not exist yet, {}", m.name(), what));
  };
  if (set.antennas.size() < 2 || set.times_s.empty() || set.freq_hz.empty())
    refuse("and what is declared has no baselines, times or channels");
  if (selection.time_s.begin || selection.time_s.end) refuse("so that no times can be selected from it");
  m.info.column = "DATA";
  m.info.weight_spectrum = true;
  m.info.phase_centre = set.phase_centre;
  m.info.field_name = set.field_name;
  m.info.telescope = set.telescope;
  m.info.observer = set.observer;
  m.info.time_begin_s = set.times_s.front();
  m.info.time_end_s = set.times_s.back();
  m.info.antennas = set.antennas;
  SpectralWindow window;
  const auto channels = static_cast<int64_t>(set.freq_hz.size());
  window.channel_begin = std::clamp<int64_t>(selection.channel_begin.value_or(0), 0, channels);
  window.channel_end = std::clamp<int64_t>(selection.channel_end.value_or(channels - 1) + 1, 0, channels);
  if (window.channel_begin >= window.channel_end) refuse("and it will have no such channels");
  window.freq_hz.assign(set.freq_hz.begin() + window.channel_begin, set.freq_hz.begin() + window.channel_end);
  window.width_hz.assign(window.freq_hz.size(), set.channel_width_hz);
  window.correlations = static_cast<int64_t>(set.correlations.size());
  m.info.windows.push_back(std::move(window));
  m.sub.data_descriptions.push_back({0, 0, channels, {}});
  for (const auto& name : set.correlations)
    m.sub.data_descriptions.front().correlations.push_back(correlation_code(name));
  m.tiling.tiled = true;
  detail::quieten_casacore();
  detail::DeclaredSet declared;
  declared.times = static_cast<int64_t>(set.times_s.size());
  declared.antennas = static_cast<int64_t>(set.antennas.size());
  declared.phase_centre = set.phase_centre;
  const ObservationGeometry geometry(set, path);
  declared.uvw_m.resize(static_cast<size_t>(declared.times * declared.antennas));
  for (int64_t time = 0; time < declared.times; ++time)
    geometry.antenna_uvw(
        time, {declared.uvw_m[static_cast<size_t>(time * declared.antennas)].data(), {declared.antennas, 3}});
  m.info.rows = declared.times * declared.baselines();
  if (!set.averaging.empty()) {
    declared.pairs = geometry.pairs();
    const AveragedRows rows(set.averaging, declared.times);
    for (int64_t block = 0; block < rows.blocks(); ++block)
      for (const AveragedRow& row : rows.block(block)) {
        const auto& [p, q] = declared.pairs[static_cast<size_t>(row.baseline)];
        if (p != q) declared.averaged.push_back(row);
      }
    m.info.rows = static_cast<int64_t>(declared.averaged.size());
  }
  m.declared = std::move(declared);
}

std::vector<ChunkSpec> detail::DeclaredSet::scan(
    MeasurementSetInfo& info, int64_t target_visibilities, const std::optional<Direction>& centre,
    const std::function<void(const ChunkSpec&, View<const double, 2>)>& visit) const {
  auto& window = info.windows.front();
  const auto channels = static_cast<int64_t>(window.freq_hz.size());
  const int64_t each = std::max<int64_t>(target_visibilities / channels, 1);
  std::vector<ChunkSpec> chunks;
  std::vector<double> uvw(static_cast<size_t>(3 * std::min(each, info.rows)));
  for (int64_t begin = 0; begin < info.rows; begin += each) {
    const int64_t end = std::min(begin + each, info.rows);
    ChunkSpec chunk;
    chunk.row_ranges = {{begin, end}};
    chunk.rows = chunk.stored_rows = end - begin;
    chunk.channels = channels;
    chunk.phase_centre = centre.value_or(phase_centre);
    const View<double, 2> view(uvw.data(), {chunk.rows, 3});
    read_uvw(chunk, centre, view);
    if (visit) visit(chunk, {uvw.data(), {chunk.rows, 3}});
    chunks.push_back(std::move(chunk));
  }
  window.rows = info.rows;
  return chunks;
}

std::array<double, 3> detail::DeclaredSet::baseline_uvw(int64_t time, size_t first, size_t second) const {
  const auto* at = uvw_m.data() + time * antennas;
  const auto &p = at[first], &q = at[second];
  return {q[0] - p[0], q[1] - p[1], q[2] - p[2]};
}

void detail::DeclaredSet::read_uvw(const ChunkSpec& chunk, const std::optional<Direction>& centre,
                                   View<double, 2> out) const {
  const bool turned = centre && !same_direction(*centre, phase_centre);
  const Rotation rotation = turned ? rotation_between(phase_centre, *centre) : Rotation{};
  int64_t at = 0;
  const auto put = [&](const std::array<double, 3>& d) {
    double* to = &out(chunk.order.place(at++), 0);
    for (size_t k = 0; k < 3; ++k)
      to[k] = turned ? rotation[k][0] * d[0] + rotation[k][1] * d[1] + rotation[k][2] * d[2] : d[k];
  };
  for (const auto& [begin, end] : chunk.row_ranges) {
    if (!averaged.empty()) {
      for (int64_t row = begin; row < end; ++row) {
        const AveragedRow& one = averaged[static_cast<size_t>(row)];
        const auto& [p, q] = pairs[static_cast<size_t>(one.baseline)];
        std::array<double, 3> mean{};
        for (int64_t t = one.begin; t < one.begin + one.count; ++t) {
          const auto d = baseline_uvw(t, static_cast<size_t>(p), static_cast<size_t>(q));
          for (size_t k = 0; k < 3; ++k) mean[k] += d[k];
        }
        for (double& value : mean) value /= one.count;
        put(mean);
      }
      continue;
    }
    int64_t time = begin / baselines(), rest = begin % baselines(), first = 0;
    while (rest >= antennas - 1 - first) rest -= antennas - 1 - first++;
    int64_t second = first + 1 + rest;
    for (int64_t row = begin; row < end; ++row) {
      put(baseline_uvw(time, static_cast<size_t>(first), static_cast<size_t>(second)));
      if (++second < antennas) continue;
      if (++first + 1 == antennas) {
        first = 0;
        ++time;
      }
      second = first + 1;
    }
  }
}

}  // namespace fringeflow::io
