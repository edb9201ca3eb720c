// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/pipeline/emulated_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "codelets/gridder/time_groups.hpp"
#include "io/error.hpp"

namespace fringeflow::graphs {

EmulatedData::EmulatedData(std::shared_ptr<const Emulator> emulator, const std::string& name,
                           bool keep_groups)
    : emulator_(std::move(emulator)), keep_groups_(keep_groups) {
  const auto& set = emulator_->set();
  info_.path = name;
  info_.column = "DATA";
  info_.weight_spectrum = true;
  info_.phase_centre = emulator_->geometry().stored_phase_centre();
  info_.field_name = set.field_name;
  info_.telescope = set.telescope;
  info_.observer = set.observer;
  info_.time_begin_s = set.times_s.front();
  info_.time_end_s = set.times_s.back();
  info_.antennas = set.antennas;
  for (auto& antenna : info_.antennas)
    if (antenna.station.empty()) antenna.station = antenna.name;
  info_.rows = baselines() * static_cast<int64_t>(set.times_s.size());
  io::SpectralWindow window;
  window.channel_end = channels();
  window.freq_hz = set.freq_hz;
  window.width_hz.assign(set.freq_hz.size(), set.channel_width_hz);
  window.correlations = static_cast<int64_t>(emulator_->geometry().correlations().size());
  window.rows = info_.rows;
  info_.windows.push_back(std::move(window));
  const auto antennas = static_cast<int64_t>(set.antennas.size());
  antenna_uvw_m_.resize(set.times_s.size() * static_cast<size_t>(3 * antennas));
  for (size_t t = 0; t < set.times_s.size(); ++t)
    emulator_->geometry().antenna_uvw(
        static_cast<int64_t>(t),
        {antenna_uvw_m_.data() + static_cast<int64_t>(t) * 3 * antennas, {antennas, 3}});
}

const std::vector<int>& EmulatedData::correlations(int) const { return emulator_->geometry().correlations(); }

io::ChunkSpec EmulatedData::spec(int64_t time, int64_t times) const {
  io::ChunkSpec chunk;
  chunk.rows = chunk.stored_rows = times * baselines();
  chunk.row_ranges = {{time * baselines(), (time + times) * baselines()}};
  chunk.channels = channels();
  chunk.field = 0;
  chunk.phase_centre = info_.phase_centre;
  return chunk;
}

std::vector<io::IntervalRows> EmulatedData::divide(double interval_s, int64_t target_visibilities) {
  const auto& times = emulator_->set().times_s;
  const double begin_s = times.front(), span_s = times.back() - begin_s,
               integration_s = emulator_->set().interval_s;
  if (interval_s > span_s + 2 * integration_s)
    throw UserError(fmt::format(
        "interval: {:g} s is longer than the data of {}, which last {:g} s; 0s is one solution for all times",
        interval_s, info_.path, span_s + integration_s));
  std::map<int64_t, io::IntervalRows> units;
  blocks_.clear();
  block_of_time_.clear();
  interval_times_s_.clear();
  bounds_s_.clear();
  int64_t last = -1;
  for (size_t t = 0; t < times.size(); ++t) {
    const auto time = static_cast<int64_t>(t);
    // As for MeasurementSets (io/correlations.cpp).
    const int64_t interval =
        interval_s > 0 ? static_cast<int64_t>(std::floor((times[t] - begin_s) / interval_s + 1e-3)) : 0;
    if (interval != last) bounds_s_.emplace_back(times[t], times[t]);
    bounds_s_.back().second = times[t];
    const bool full =
        !blocks_.empty() && (blocks_.back().times + 1) * baselines() * channels() > target_visibilities;
    const bool group_ends = keep_groups_ && time % gridder::TimeCompression::kTimes == 0;
    if (interval != last || full || group_ends)
      blocks_.push_back({time, 0, static_cast<int64_t>(bounds_s_.size()) - 1, 0, 0});
    last = interval;
    ++blocks_.back().times;
    block_of_time_.push_back(blocks_.size() - 1);
    auto& unit = units[interval];
    unit.interval = static_cast<int64_t>(bounds_s_.size()) - 1;
    if (blocks_.back().times > 1) unit.chunks.pop_back();
    unit.chunks.push_back(spec(blocks_.back().time, blocks_.back().times));
  }
  for (const auto& [first, end] : bounds_s_) interval_times_s_.push_back((first + end) / 2);
  std::vector<io::IntervalRows> out;
  for (auto& [unused, unit] : units) out.push_back(std::move(unit));
  return out;
}

size_t EmulatedData::block_of(const io::ChunkSpec& piece) const {
  return block_of_time_.at(static_cast<size_t>(piece.row_ranges.front().first / baselines()));
}

int64_t EmulatedData::longest_block() const {
  int64_t most = 0;
  for (const auto& block : blocks_) most = std::max(most, block.times);
  return most;
}

std::vector<io::ChunkSpec> EmulatedData::scan(
    int64_t target_visibilities, const std::optional<Direction>& centre,
    const std::function<void(const io::ChunkSpec&, View<const double, 2>)>& visit) {
  if (centre)
    throw UserError(
        "centre: what is simulated in memory is imaged around its own phase centre; choose that, or go "
        "through files "
        "with runtime.pipeline: files");
  const int64_t target = chunk_visibilities(target_visibilities);
  std::vector<io::ChunkSpec> chunks;
  for (size_t begin = 0; begin < blocks_.size();) {
    size_t end = begin;
    int64_t times = 0;
    do {
      times += blocks_[end++].times;
    } while (end < blocks_.size() && (times + blocks_[end].times) * baselines() * channels() <= target);
    chunks.push_back(spec(blocks_[begin].time, times));
    begin = end;
  }
  std::vector<double> uvw_m;
  for (const auto& chunk : chunks) {
    if (!visit) continue;
    uvw_m.resize(static_cast<size_t>(3 * chunk.rows));
    read_uvw(chunk, {uvw_m.data(), {chunk.rows, 3}});
    visit(chunk, {uvw_m.data(), {chunk.rows, 3}});
  }
  return chunks;
}

int64_t EmulatedData::chunk_visibilities(int64_t target) const {
  // Gridding begins with the first chunk: not too large, that there be something to grid early.
  constexpr int64_t kChunks = 16, kLeast = int64_t{1} << 17;
  return std::min(target, std::max(kLeast, info_.rows * channels() / kChunks));
}

std::vector<io::ChunkSpec> EmulatedData::group_times(int64_t times, int64_t target_visibilities) {
  return io::group_rows(spec(0, 0), info_.rows, baselines(), times, target_visibilities,
                        [](int64_t) { return true; });
}

int64_t EmulatedData::grouped_target(int64_t times, int64_t target_visibilities) const {
  return std::max(chunk_visibilities(target_visibilities), times * baselines() * channels());
}

void EmulatedData::assign(const std::vector<io::ChunkSpec>& chunks) {
  for (size_t c = 0; c < chunks.size(); ++c) {
    const auto [begin, end] = chunks[c].row_ranges.front();
    for (size_t b = block_of(chunks[c]); b < blocks_.size() && blocks_[b].time * baselines() < end; ++b) {
      blocks_[b].chunk = c;
      blocks_[b].chunk_row = blocks_[b].time * baselines() - begin;
    }
  }
}

void EmulatedData::read_uvw(const io::ChunkSpec& chunk, View<double, 2> uvw_m) {
  std::vector<double> one(static_cast<size_t>(3 * baselines()));  // integration
  int64_t at = 0;
  for (const auto& [begin, end] : chunk.row_ranges)
    for (int64_t row = begin; row < end;) {
      const int64_t time = row / baselines(), last = std::min(end, (time + 1) * baselines());
      uvw(time, 1, {one.data(), {baselines(), 3}});
      for (; row < last; ++row)
        std::copy_n(one.data() + 3 * (row - time * baselines()), 3, &uvw_m(chunk.order.place(at++), 0));
    }
}

void EmulatedData::read_uvw(const io::ChunkSpec& chunk, const std::optional<Direction>&,
                            View<double, 2> uvw_m) {
  read_uvw(chunk, uvw_m);
}

void EmulatedData::uvw(int64_t time, int64_t times, View<double, 2> uvw_m) const {
  const auto antennas = static_cast<int64_t>(info_.antennas.size());
  for (int64_t t = 0; t < times; ++t)
    emulator_->geometry().baseline_uvw({antenna_uvw_m_.data() + (time + t) * 3 * antennas, {antennas, 3}},
                                       {&uvw_m(t * baselines(), 0), {baselines(), 3}});
}

}  // namespace fringeflow::graphs
