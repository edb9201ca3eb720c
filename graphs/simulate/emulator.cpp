// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/simulate/emulator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "graphs/predict/predict.hpp"
#include "graphs/simulate/beam.hpp"
#include "graphs/simulate/simulate.hpp"
#include "io/atomic_file.hpp"
#include "io/averaging.hpp"
#include "io/error.hpp"
#include "io/layout.hpp"

namespace fringeflow::graphs {
namespace {

using runtime::Access;
using runtime::DataId;

/// Gains of all times are drawn at once and kept.
constexpr int64_t kMostGains = int64_t{1} << 26;

/// Of the degridder against the direct sum, where the sky is an image.
constexpr double kImageAccuracy = 1e-6;

io::SkyModel load_sources(const SimulateJob& job) {
  auto sky = io::load_sky_model(job.sources_file, job.columns);
  if (!sky.image) return sky;
  const auto refuse = [&](const char* option, const char* why) {
    throw UserError(fmt::format("{}: {} is an image, {}; give a catalogue or a component list", option,
                                job.sources_file, why));
  };
  if (job.screen.rms_tecu > 0)
    refuse("tec", "whose pixels are degridded together, not through electrons of their own");
  if (job.bandwidth_smearing || job.time_smearing) refuse("smearing", "whose pixels are degridded together");
  if (job.beam.kind != BeamModel::Kind::none)
    refuse("beam", "the same in all channels: multiply its pixels by the beam");
  for (float& pixel : sky.image->pixels)
    if (!std::isfinite(pixel)) pixel = 0;
  return sky;
}

/// "sim.ms" -> "sim-truth.h5"
std::string beside(std::string output, const std::string& ending) {
  while (output.size() > 1 && output.back() == '/') output.pop_back();
  if (output.ends_with(".ms") || output.ends_with(".MS")) output.resize(output.size() - 3);
  return output + ending;
}

}  // namespace

io::NewMeasurementSet describe_observation(const SimulateJob& job) {
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
  if (job.averaging.any()) {
    if (job.averaging.interval_s < job.interval_s)
      throw UserError(fmt::format("averaging: an interval of {:g} s is shorter than an integration, {:g} s",
                                  job.averaging.interval_s, job.interval_s));
    set.averaging = io::integrations_to_average(set, job.averaging);
  }
  return set;
}

Emulator::Emulator(const SimulateJob& job)
    : job_(job),
      sky_(load_sources(job)),
      set_(describe_observation(job)),
      geometry_(set_, job.output.empty() ? job.layout_file : job.output) {
  freq_ = std::make_shared<const std::vector<double>>(set_.freq_hz);
  stokes_ = stokes_needed(sky_.components);
  auto groups = std::make_shared<std::vector<SourceGroup>>(
      *source_groups(sky_.components, job.centre, set_.freq_hz, stokes_));
  if (job.beam.kind != BeamModel::Kind::none)
    Beam(job.beam, job.frequency_hz).apply(*groups, set_.freq_hz, stokes_);
  groups_ = groups;
  auto lmn = std::make_shared<std::vector<double>>();
  for (const auto& group : *groups_) lmn->insert(lmn->end(), group.lmn.begin(), group.lmn.end());
  lmn_ = lmn;
  instrument_->correlations = geometry_.correlations();
  instrument_->noise_jy = set_.sigma_jy;
  instrument_->seed = job.seed;
  instrument_->freq_hz = set_.freq_hz;
  if (job.rfi.bursts > 0)
    instrument_->bursts = corrupt::draw_bursts(job.rfi, job.seed, set_.times_s, set_.freq_hz,
                                               static_cast<int64_t>(set_.antennas.size()));
  if (job.flags.rfi && job.rfi.bursts == 0)
    throw UserError("flags: there is no rfi to flag; give rfi: bursts=N");
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

std::string Emulator::sky_text() const {
  return sky_.image ? "the image " + job_.sources_file : fmt::format("{} sources", sky_.components.size());
}

void Emulator::begin(runtime::TaskSink& sink, const std::vector<std::pair<int64_t, int64_t>>& blocks,
                     size_t slots) {
  image_.reset();
  if (!sky_.image) return;
  slots_ = slots;
  std::vector<ImageModel::Piece> pieces;
  for (const auto& [time, times] : blocks)
    pieces.push_back({times * geometry_.baselines(), job_.channels, job_.centre, freq_});
  const auto antennas = static_cast<int64_t>(set_.antennas.size());
  std::vector<double> at(static_cast<size_t>(3 * antennas));
  const auto uvw = [&](size_t block, View<double, 2> out) {
    for (int64_t t = 0; t < blocks[block].second; ++t) {
      geometry_.antenna_uvw(blocks[block].first + t, {at.data(), {antennas, 3}});
      geometry_.baseline_uvw({at.data(), {antennas, 3}},
                             {&out(t * geometry_.baselines(), 0), {geometry_.baselines(), 3}});
    }
  };
  image_ = std::make_unique<ImageModel>(sink, *sky_.image, job_.sources_file, "the observation",
                                        kImageAccuracy, std::move(pieces), uvw, slots);
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
  args.smearing = {job_.bandwidth_smearing ? set_.channel_width_hz : 0,
                   job_.time_smearing ? set_.interval_s : 0, job_.centre.dec_rad};
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
  if (image_)
    image_->submit(sink, static_cast<size_t>(number), static_cast<size_t>(number) % slots_, buffers.uvw,
                   buffers.model, number);
  else
    sink.submit(runtime::make_task(simulate_codelet(), std::move(args), std::move(data), {number}));
  if (corrupts())
    sink.submit(runtime::make_task(corrupt::corrupt_codelet(),
                                   corrupt::CorruptArgs{rows, job_.channels, stokes_, instrument_, keys},
                                   {{buffers.vis, Access::write}, {buffers.model, Access::read}}, {number}));
}

void Emulator::flags(int64_t time, int64_t times, uint8_t* flag) const {
  const size_t correlations = instrument_->correlations.size();
  std::vector<uint8_t> row(set_.freq_hz.size());
  for (int64_t t = time; t < time + times; ++t)
    for (const auto& [p, q] : geometry_.pairs()) {
      std::fill(row.begin(), row.end(), uint8_t{0});
      corrupt::flag_row(job_.flags, instrument_->bursts, job_.seed, p, q,
                        set_.times_s[static_cast<size_t>(t)], static_cast<int32_t>(t), set_.freq_hz,
                        row.data());
      for (const uint8_t one : row) flag = std::fill_n(flag, correlations, one);
    }
}

std::string Emulator::write_truth() {
  std::string names;
  if (!instrument_->bursts.empty()) {
    names = beside(job_.output, "-rfi.csv");
    io::AtomicFile file(names);
    file.write("begin_mjd_s,end_mjd_s,freq_begin_hz,freq_end_hz,flux_jy\n");
    for (const auto& burst : instrument_->bursts)
      file.write(fmt::format("{:.3f},{:.3f},{:.1f},{:.1f},{}\n", burst.begin_s, burst.end_s,
                             burst.freq_begin_hz, burst.freq_end_hz, burst.flux_jy));
    file.commit();
  }
  if (!job_.gains.any() && !has_screen()) return names;
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
  const std::string path = beside(job_.output, "-truth.h5");
  io::write_h5parm(path, gains_, tec_.get());
  return names.empty() ? path : path + ", " + names;
}

}  // namespace fringeflow::graphs
