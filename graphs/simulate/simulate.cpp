// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// uvw -> (screen) -> simulate -> (corrupt) -> write_rows, one block of times after the other through a ring of buffers.
#include "graphs/simulate/simulate.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "codelets/corrupt/corrupt_tasks.hpp"
#include "codelets/write/visibilities.hpp"
#include "graphs/predict/predict.hpp"
#include "graphs/progress.hpp"
#include "graphs/run_record.hpp"
#include "graphs/simulate/beam.hpp"
#include "io/catalogue.hpp"
#include "io/error.hpp"
#include "io/h5parm.hpp"
#include "io/layout.hpp"
#include "io/measurement_set_stokes.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow {
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

/// "sim.ms" -> "sim-truth.h5"
std::string truth_path(std::string output) {
  while (output.size() > 1 && output.back() == '/') output.pop_back();
  if (output.ends_with(".ms") || output.ends_with(".MS")) output.resize(output.size() - 3);
  return output + "-truth.h5";
}

class Simulation {
 public:
  explicit Simulation(const SimulateJob& job);
  void run(graphs::RunRecord& record);

 private:
  struct Slot {
    DataId uvw = -1, tec = -1, model = -1, vis = -1;
  };
  void draw_truth();
  int64_t ring_slots(int cpus) const;
  void create(runtime::Runtime& runtime);
  void submit_uvw(runtime::Runtime& runtime, int64_t time);
  void submit_time(runtime::Runtime& runtime, int64_t time);
  bool corrupts() const { return instrument_->gains != nullptr || instrument_->noise_jy > 0; }
  bool has_screen() const { return job_.screen.rms_tecu > 0; }

  const SimulateJob& job_;
  std::vector<io::SkyComponent> sky_;
  io::NewMeasurementSet set_;
  std::shared_ptr<io::SimulationWriter> writer_;
  std::shared_ptr<const std::vector<double>> freq_, lmn_;
  std::shared_ptr<const std::vector<SourceGroup>> groups_;
  std::shared_ptr<const std::vector<int32_t>> pairs_;
  std::shared_ptr<corrupt::Instrument> instrument_ = std::make_shared<corrupt::Instrument>();
  std::shared_ptr<const std::vector<corrupt::ScreenWave>> waves_;
  std::shared_ptr<io::TecTable> tec_;
  io::GainTable gains_;
  int64_t stokes_ = 1, rows_ = 0;
  std::vector<Slot> ring_;
  DataId token_ = -1;
};

Simulation::Simulation(const SimulateJob& job)
    : job_(job), sky_(load_sources(job.sources_file)), set_(graphs::describe_observation(job)) {
  writer_ = std::make_shared<io::SimulationWriter>(job.output, set_);
  rows_ = writer_->baselines();
  pairs_ = std::make_shared<const std::vector<int32_t>>(writer_->baseline_antennas());
  freq_ = std::make_shared<const std::vector<double>>(set_.freq_hz);
  stokes_ = graphs::stokes_needed(sky_);
  auto groups = std::make_shared<std::vector<SourceGroup>>(
      *graphs::source_groups(sky_, job.centre, set_.freq_hz, stokes_));
  if (job.beam.kind != BeamModel::Kind::none)
    graphs::Beam(job.beam, job.frequency_hz).apply(*groups, set_.freq_hz, stokes_);
  groups_ = groups;
  auto lmn = std::make_shared<std::vector<double>>();
  for (const auto& group : *groups_) lmn->insert(lmn->end(), group.lmn.begin(), group.lmn.end());
  lmn_ = lmn;
  instrument_->correlations = writer_->correlations();
  instrument_->noise_jy = set_.sigma_jy;
  instrument_->seed = job.seed;
  draw_truth();
}

void Simulation::draw_truth() {
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

/// Times in flight: a few for each core, fewer where runtime.memory says so. Throws UserError when one is too many.
int64_t Simulation::ring_slots(int cpus) const {
  constexpr int64_t kMiB = 1 << 20;
  constexpr int64_t kProgram = 192 * kMiB;  // libraries, StarPU, scratch
  const int64_t samples = rows_ * job_.channels,
                correlations = static_cast<int64_t>(job_.correlations.size());
  const int64_t tec = has_screen() ? static_cast<int64_t>(lmn_->size() / 3 * set_.antennas.size()) * 8 : 0;
  const int64_t slot =
      rows_ * 24 + samples * stokes_ * 8 + (corrupts() ? samples * correlations * 8 : 0) + tec;
  // What the writer converts, and casacore's tiles of it: DATA, FLAG, WEIGHT_SPECTRUM; and the truth of all times.
  const int64_t writer = 2 * samples * correlations * (8 + 4 + 1) + tec * job_.times +
                         static_cast<int64_t>(gains_.gains.size()) * 200;
  const int64_t wanted = std::min<int64_t>(job_.times, 2 * cpus + 2);
  if (job_.runtime.memory_bytes <= 0) return wanted;
  const int64_t fitting = (job_.runtime.memory_bytes - kProgram - writer) / slot;
  if (job_.runtime.memory_bytes < kProgram + writer + slot)
    throw UserError(fmt::format(
        "runtime.memory: one time of {} baselines x {} channels needs {} MiB, the limit is {}", rows_,
        job_.channels, (kProgram + writer + slot + kMiB - 1) / kMiB, job_.runtime.memory_bytes / kMiB));
  return std::min(wanted, fitting);
}

void Simulation::create(runtime::Runtime& runtime) {
  token_ = runtime.create({"writer", 64, 0});
  const int64_t samples = rows_ * job_.channels, slots = ring_slots(runtime.info().cpus);
  for (int64_t i = 0; i < slots; ++i) {
    Slot slot;
    slot.uvw = runtime.create({"uvw", rows_ * 24, 0});
    slot.model = runtime.create({"model", samples * stokes_ * 8, 0});
    if (has_screen())
      slot.tec = runtime.create(
          {"tec", static_cast<int64_t>(lmn_->size() / 3 * set_.antennas.size()) * int64_t{sizeof(double)},
           0});
    if (corrupts())
      slot.vis =
          runtime.create({"vis", samples * static_cast<int64_t>(instrument_->correlations.size()) * 8, 0});
    ring_.push_back(slot);
  }
}

void Simulation::submit_uvw(runtime::Runtime& runtime, int64_t time) {
  runtime.submit(runtime::make_task(
      uvw_codelet(),
      UvwArgs{rows_, [writer = writer_, time](View<double, 2> out) { writer->uvw_m(time, out); }},
      {{ring_[static_cast<size_t>(time) % ring_.size()].uvw, Access::write}, {token_, Access::read_write}},
      {static_cast<int32_t>(time)}, 2));
}

void Simulation::submit_time(runtime::Runtime& runtime, int64_t time) {
  const auto number = static_cast<int32_t>(time);
  const Slot& slot = ring_[static_cast<size_t>(time) % ring_.size()];
  const auto antennas = static_cast<int64_t>(set_.antennas.size());
  std::shared_ptr<corrupt::RowKeys> keys;
  if (corrupts() || has_screen()) {
    keys = std::make_shared<corrupt::RowKeys>();
    keys->antennas = *pairs_;
    keys->time_s = {set_.times_s[static_cast<size_t>(time)]};
    keys->time_number = {number};
  }
  SimulateTaskArgs args{rows_, job_.channels, stokes_, freq_, groups_};
  std::vector<std::pair<DataId, Access>> data{{slot.model, Access::write}, {slot.uvw, Access::read}};
  if (has_screen()) {
    corrupt::ScreenArgs screen{job_.screen, waves_, lmn_, keys, antennas, rows_, {}, {}};
    screen.seconds = set_.times_s[static_cast<size_t>(time)] - set_.times_s.front();
    screen.record = [tec = tec_, time](View<const double, 2> values) {
      double* out = tec->tec.data() + time * values.size();
      for (int64_t a = 0; a < values.extent(1); ++a)
        for (int64_t s = 0; s < values.extent(0); ++s) out[a * values.extent(0) + s] = values(s, a);
    };
    runtime.submit(runtime::make_task(corrupt::screen_codelet(), std::move(screen),
                                      {{slot.tec, Access::write}, {slot.uvw, Access::read}}, {number}, 1));
    args.tec_antennas = antennas;
    args.antennas = pairs_;
    data.emplace_back(slot.tec, Access::read);
  }
  runtime.submit(runtime::make_task(simulate_codelet(), std::move(args), std::move(data), {number}));
  WriteRowsArgs out{rows_, {stokes_, rows_, job_.channels}, {}};
  if (corrupts()) {
    runtime.submit(runtime::make_task(corrupt::corrupt_codelet(),
                                      corrupt::CorruptArgs{rows_, job_.channels, stokes_, instrument_, keys},
                                      {{slot.vis, Access::write}, {slot.model, Access::read}}, {number}));
    out.extents = {rows_, job_.channels, static_cast<int64_t>(instrument_->correlations.size())};
    out.write = [writer = writer_, time](View<const double, 2> uvw_m,
                                         View<const std::complex<float>, 3> vis) {
      writer->write_time(time, uvw_m, vis);
    };
  } else {
    out.write = [writer = writer_, time, stokes = stokes_](View<const double, 2> uvw_m,
                                                           View<const std::complex<float>, 3> vis) {
      writer->write_time(time, uvw_m, stokes == 4 ? "IQUV" : "I", vis);
    };
  }
  runtime.submit(runtime::make_task(write_rows_codelet(), std::move(out),
                                    {{corrupts() ? slot.vis : slot.model, Access::read},
                                     {slot.uvw, Access::read},
                                     {token_, Access::read_write}},
                                    {number}, 1));
}

void Simulation::run(graphs::RunRecord& record) {
  record.phase("planning");
  const auto start = std::chrono::steady_clock::now();
  runtime::Runtime runtime(graphs::with_fxt_folder(job_.runtime, graphs::run_prefix(job_.output)));
  record.phase("start");
  create(runtime);
  const auto slots = static_cast<int64_t>(ring_.size());
  {
    const graphs::RunWatch watch(runtime, 0);
    // Coordinates of a ring's worth of times come first, so that simulation never waits for the writer of the block before.
    for (int64_t t = 0; t < slots; ++t) submit_uvw(runtime, t);
    for (int64_t t = 0; t < job_.times && !runtime.failed(); ++t) {
      submit_time(runtime, t);
      if (t + slots < job_.times) submit_uvw(runtime, t + slots);
    }
    runtime.wait_all();
  }
  record.phase("graph");
  const bool truth = job_.gains.any() || has_screen();
  if (truth) {
    if (!job_.gains.any()) {
      gains_ = corrupt::draw_gains({}, job_.seed, set_.times_s, set_.freq_hz, set_.antennas,
                                   instrument_->correlations.front() <= 8);
    }
    gains_.centre = job_.centre;
    if (gains_.antennas.front().position_m[0] == 0) {
      // A file that gains were taken from is read without positions.
      for (auto& antenna : gains_.antennas)
        for (const auto& known : set_.antennas)
          if (known.name == antenna.name) antenna = known;
    }
    io::write_h5parm(truth_path(job_.output), gains_, tec_.get());
  }
  writer_->commit();
  record.phase("products");
  graphs::leave_run(graphs::run_prefix(job_.output), job_.workflow_text, record, runtime,
                    rows_ * job_.times * job_.channels);
  runtime.learn();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  spdlog::info("{}: {} rows x {} channels, {} sources, in {:.2f} s", job_.output, rows_ * job_.times,
               job_.channels, sky_.size(), seconds);
  if (set_.sigma_jy > 0)
    spdlog::info("noise of {:.4g} Jy in the real and the imaginary part of each correlation", set_.sigma_jy);
  if (truth) spdlog::info("what was put in: {}", truth_path(job_.output));
}

}  // namespace

io::NewMeasurementSet graphs::describe_observation(const SimulateJob& job) {
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

void run_simulate(const SimulateJob& job) {
  graphs::RunRecord record(job.runtime.trace);
  Simulation(job).run(record);
}

}  // namespace fringeflow
