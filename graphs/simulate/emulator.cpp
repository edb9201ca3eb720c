// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/simulate/emulator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "graphs/predict/predict.hpp"
#include "graphs/simulate/beam.hpp"
#include "io/error.hpp"
#include "io/layout.hpp"

namespace fringeflow::graphs {
namespace {

using runtime::Access;
using runtime::DataId;

/// Gains of all times are drawn at once and kept.
constexpr int64_t kMostGains = int64_t{1} << 26;

std::vector<io::SkyComponent> load_sources(const std::string& path) {
  auto sky = io::load_sky_model(path);
  if (sky.image)
    throw UserError("sources: " + path +
                    " is an image; simulate takes a catalogue (FILE.csv) or a component list (text); predict "
                    "fills a column from an image");
  return std::move(sky.components);
}

io::NewMeasurementSet describe(const SimulateJob& job) {
  io::NewMeasurementSet set;
  std::error_code ignored;
  if (std::filesystem::is_directory(job.layout_file, ignored))
    set.antennas = io::antennas_of_set(job.layout_file);
  else
    set.antennas = io::read_layout(job.layout_file, job.position_file);
  for (int64_t t = 0; t < job.times; ++t)
    set.times_s.push_back(job.start_s + (static_cast<double>(t) + 0.5) * job.interval_s);
  for (int64_t c = 0; c < job.channels; ++c)
    set.freq_hz.push_back(job.frequency_hz + static_cast<double>(c) * job.channel_width_hz);
  set.interval_s = job.interval_s;
  set.channel_width_hz = job.channel_width_hz;
  set.phase_centre = job.centre;
  set.correlations = job.correlations;
  set.autocorrelations = job.autocorrelations;
  set.sigma_jy = job.noise.sefd_jy > 0
                     ? job.noise.sefd_jy / std::sqrt(2 * job.channel_width_hz * job.interval_s)
                     : job.noise.sigma_jy;
  return set;
}

/// "sim.ms" -> "sim-truth.h5"
std::string truth_path(std::string output) {
  while (output.size() > 1 && output.back() == '/') output.pop_back();
  if (output.ends_with(".ms") || output.ends_with(".MS")) output.resize(output.size() - 3);
  return output + "-truth.h5";
}

}  // namespace

Emulator::Emulator(const SimulateJob& job)
    : job_(job),
      sky_(load_sources(job.sources_file)),
      set_(describe(job)),
      geometry_(set_, job.output.empty() ? job.layout_file : job.output) {
  freq_ = std::make_shared<const std::vector<double>>(set_.freq_hz);
  stokes_ = stokes_needed(sky_);
  auto groups =
      std::make_shared<std::vector<SourceGroup>>(*source_groups(sky_, job.centre, set_.freq_hz, stokes_));
  if (job.beam.kind != BeamModel::Kind::none)
    Beam(job.beam, job.frequency_hz).apply(*groups, set_.freq_hz, stokes_);
  groups_ = groups;
  auto lmn = std::make_shared<std::vector<double>>();
  for (const auto& group : *groups_) lmn->insert(lmn->end(), group.lmn.begin(), group.lmn.end());
  lmn_ = lmn;
  instrument_->correlations = geometry_.correlations();
  instrument_->noise_jy = set_.sigma_jy;
  instrument_->seed = job.seed;
  draw_truth();
}

void Emulator::draw_truth() {
  const bool circular = instrument_->correlations.front() <= 8;
  const auto antennas = static_cast<int64_t>(set_.antennas.size());
  if (job_.gains.any()) {
    const bool band = std::any_of(job_.gains.effects.begin(), job_.gains.effects.end(),
                                  [](const auto& e) { return e.kind == GainEffect::Kind::bandpass; });
    if (job_.times * antennas * (band ? job_.channels : 1) * 4 > kMostGains)
      throw UserError(
          fmt::format("gains: {} times x {} antennas{} are more than are drawn at once; simulate fewer times "
                      "per set",
                      job_.times, antennas, band ? fmt::format(" x {} channels", job_.channels) : ""));
    gains_ = job_.gains.file.empty() ? corrupt::draw_gains(job_.gains.effects, job_.seed, set_.times_s,
                                                           set_.freq_hz, set_.antennas, circular)
                                     : io::read_h5parm(job_.gains.file);
    instrument_->gains = std::make_shared<const io::GainLookup>(
        gains_, set_.antennas, instrument_->correlations, job_.gains.file.empty() ? "gains" : job_.gains.file,
        job_.output);
    instrument_->gain_frequency = instrument_->gains->frequencies_of(set_.freq_hz);
  }
  if (!has_screen()) return;
  waves_ = std::make_shared<const std::vector<corrupt::ScreenWave>>(corrupt::screen_waves(job_.screen));
  tec_ = std::make_shared<io::TecTable>();
  tec_->times_s = set_.times_s;
  tec_->antennas = set_.antennas;
  for (size_t i = 0; i < lmn_->size(); i += 3)
    tec_->directions.push_back(io::direction_of(job_.centre, (*lmn_)[i], (*lmn_)[i + 1]).value());
  tec_->tec.resize(tec_->times_s.size() * tec_->antennas.size() * tec_->directions.size());
}

int64_t Emulator::truth_bytes() const {
  return bytes(1).tec * job_.times + static_cast<int64_t>(gains_.gains.size()) * 200;
}

Emulator::Bytes Emulator::bytes(int64_t times) const {
  const int64_t rows = geometry_.baselines() * times, samples = rows * job_.channels;
  Bytes bytes;
  bytes.uvw = rows * 24;
  bytes.model = samples * stokes_ * 8;
  if (has_screen())
    bytes.tec = times * static_cast<int64_t>(lmn_->size() / 3 * set_.antennas.size() * sizeof(double));
  if (corrupts()) bytes.vis = samples * static_cast<int64_t>(instrument_->correlations.size()) * 8;
  return bytes;
}

Emulator::Buffers Emulator::create(runtime::TaskSink& sink, int64_t times) const {
  const auto size = bytes(times);
  Buffers buffers;
  buffers.uvw = sink.create({"uvw", size.uvw, 0});
  buffers.model = sink.create({"model", size.model, 0});
  if (size.tec > 0) buffers.tec = sink.create({"tec", size.tec, 0});
  if (size.vis > 0) buffers.vis = sink.create({"vis", size.vis, 0});
  return buffers;
}

std::shared_ptr<corrupt::RowKeys> Emulator::keys(int64_t time, int64_t times) const {
  auto keys = std::make_shared<corrupt::RowKeys>();
  const auto pairs = geometry_.baseline_antennas();
  for (int64_t t = time; t < time + times; ++t) {
    const size_t rows = times == 1 ? 1 : pairs.size() / 2;
    keys->antennas.insert(keys->antennas.end(), pairs.begin(), pairs.end());
    keys->time_s.insert(keys->time_s.end(), rows, set_.times_s[static_cast<size_t>(t)]);
    keys->time_number.insert(keys->time_number.end(), rows, static_cast<int32_t>(t));
  }
  return keys;
}

void Emulator::submit(runtime::TaskSink& sink, int64_t time, int64_t times, const Buffers& buffers,
                      int32_t number) const {
  const int64_t rows = geometry_.baselines() * times;
  const auto antennas = static_cast<int64_t>(set_.antennas.size());
  std::shared_ptr<const corrupt::RowKeys> keys;
  if (corrupts() || has_screen()) keys = this->keys(time, times);
  SimulateTaskArgs args{rows, job_.channels, stokes_, freq_, groups_};
  std::vector<std::pair<DataId, Access>> data{{buffers.model, Access::write}, {buffers.uvw, Access::read}};
  if (has_screen()) {
    corrupt::ScreenArgs screen{job_.screen, waves_, lmn_, keys, antennas, geometry_.baselines(), {}, {}};
    for (int64_t t = time; t < time + times; ++t)
      screen.seconds.push_back(set_.times_s[static_cast<size_t>(t)] - set_.times_s.front());
    screen.record = [tec = tec_, time](int64_t t, View<const double, 2> values) {
      double* out = tec->tec.data() + (time + t) * values.size();
      for (int64_t a = 0; a < values.extent(1); ++a)
        for (int64_t s = 0; s < values.extent(0); ++s) out[a * values.extent(0) + s] = values(s, a);
    };
    sink.submit(runtime::make_task(corrupt::screen_codelet(), std::move(screen),
                                   {{buffers.tec, Access::write}, {buffers.uvw, Access::read}}, {number}, 1));
    // Electrons of a block: one after the other, those of its times.
    auto columns = std::make_shared<std::vector<int32_t>>(keys->antennas);
    for (size_t i = 0; i < columns->size(); ++i)
      (*columns)[i] += static_cast<int32_t>(static_cast<int64_t>(i / 2) / geometry_.baselines() * antennas);
    args.tec_antennas = antennas * times;
    args.antennas = columns;
    data.emplace_back(buffers.tec, Access::read);
  }
  sink.submit(runtime::make_task(simulate_codelet(), std::move(args), std::move(data), {number}));
  if (corrupts())
    sink.submit(runtime::make_task(corrupt::corrupt_codelet(),
                                   corrupt::CorruptArgs{rows, job_.channels, stokes_, instrument_, keys},
                                   {{buffers.vis, Access::write}, {buffers.model, Access::read}}, {number}));
}

std::string Emulator::write_truth() {
  if (!job_.gains.any() && !has_screen()) return {};
  if (!job_.gains.any())
    gains_ = corrupt::draw_gains({}, job_.seed, set_.times_s, set_.freq_hz, set_.antennas,
                                 instrument_->correlations.front() <= 8);
  gains_.centre = job_.centre;
  if (gains_.antennas.front().position_m[0] == 0) {
    // A file that gains were taken from is read without positions.
    for (auto& antenna : gains_.antennas)
      for (const auto& known : set_.antennas)
        if (known.name == antenna.name) antenna = known;
  }
  const std::string path = truth_path(job_.output);
  io::write_h5parm(path, gains_, tec_.get());
  return path;
}

}  // namespace fringeflow::graphs
