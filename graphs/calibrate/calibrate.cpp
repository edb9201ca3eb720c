// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Solution intervals are independent: read_correlations and simulate, or index and degrid for an image, -> accumulate, piece by piece through a ring of buffers, -> solve.
/// When all gains are known and on disk, they are applied: read_correlations -> apply_gains -> write_correlations.
#include "graphs/calibrate/calibrate.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <map>

#include "codelets/calibrate/calibrate_tasks.hpp"
#include "codelets/read/chunk.hpp"
#include "graphs/calibrate/directions.hpp"
#include "graphs/calibrate/fit_summary.hpp"
#include "graphs/calibrate/sky.hpp"
#include "graphs/predict/image_model.hpp"
#include "graphs/predict/predict.hpp"
#include "graphs/progress.hpp"
#include "graphs/recorder.hpp"
#include "graphs/run_record.hpp"
#include "io/atomic_file.hpp"
#include "io/correlations.hpp"
#include "io/error.hpp"
#include "io/gain_plot.hpp"
#include "io/h5parm.hpp"
#include "io/measurement_set_stokes.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow {
namespace {

using calibrate::Outcome;
using calibrate::Shape;
using runtime::Access;
using runtime::DataId;

constexpr int64_t kChunkVisibilities = int64_t{1} << 17;
constexpr int64_t kSlots = 8;
/// Sums of the intervals that are solved side by side.
constexpr int64_t kSumBytes = int64_t{512} << 20;

/// Buffers for the pieces in flight.
struct Slot {
  DataId uvw = -1, antennas = -1, vis = -1, weight = -1, flag = -1, model = -1, count = -1;
};

/// One solution interval of one window.
struct Unit {
  io::IntervalRows rows;
  Shape shape;
  DataId gains = -1, valid = -1, outcomes = -1;
};

class Calibration {
 public:
  Calibration(const CalibrateJob& job, io::CorrelationSelection rows)
      : job_(job), sky_(graphs::load_sky(job.model)) {
    io::check_writable_prefix(job.output);
    rows.column = job.column;
    rows.uv_m = job.uv_m;
    rows.uv_lambda = job.uv_lambda;
    access_ = std::make_shared<io::CorrelationAccess>(job.ms, std::move(rows), job.apply_column);
    source_ = access_;
    plan();
    warn_of_long_rows(*access_, job.interval_s);
  }
  Calibration(const CalibrateJob& job, std::shared_ptr<io::CorrelationSource> source,
              graphs::CalibrationData& data)
      : job_(job), sky_(graphs::load_sky(job.model)), source_(std::move(source)), data_(&data) {
    io::check_writable_prefix(job.output);
    plan();
  }
  /// Its graph is recorded: nothing is read, written or made.
  Calibration(const CalibrateJob& job, std::shared_ptr<io::CorrelationSource> source)
      : job_(job), sky_(graphs::load_sky(job.model)), source_(std::move(source)) {
    plan();
  }
  void plan() {
    reference_ = reference_antenna(source_->info(), job_.reference);
    for (auto& part : source_->divide(job_.interval_s, kChunkVisibilities))
      units_.push_back({std::move(part), {}, -1, -1, -1});
    check_windows();
    for (auto& unit : units_) unit.shape = shape_of(unit.rows.window);
    stokes_ = sky_.point_jy || sky_.image ? 1 : graphs::stokes_needed(sky_.components);
  }
  /// @param record of the job, of which it then leaves a run directory; null: it is part of another one
  io::GainTable run(graphs::RunRecord* record);
  const runtime::IoTime& io() const { return io_; }

  size_t units() const { return units_.size(); }
  int64_t slots() const;
  int64_t bytes() const;
  void create(runtime::TaskSink& runtime);
  void submit_unit(runtime::TaskSink& runtime, size_t number_of_unit);
  void record(graphs::Recorder& recorder);
  int64_t visibilities() const;
  /// Solutions of all units, written. After they are done.
  io::GainTable finish(const runtime::Runtime& runtime) const;

 private:
  struct Sizes {
    int64_t rows = 1, samples = 1, correlations = 1, sums = 1, pieces = 0, most_pieces = 1;
  };
  Sizes sizes() const;
  void load_image(runtime::TaskSink& runtime);
  Shape shape_of(int window) const;
  void check_windows() const;
  void submit_read(runtime::TaskSink& runtime, const io::ChunkSpec& chunk, const Slot& slot, int32_t number);
  void submit_correction(runtime::TaskSink& runtime, const Unit& unit, const io::ChunkSpec& chunk,
                         const Slot& slot, int32_t number);
  void submit_corrections(runtime::TaskSink& runtime);
  io::GainTable gains(const runtime::Runtime& runtime) const;
  void report(const runtime::Runtime& runtime) const;
  const std::string& path() const { return source_->info().path; }

  const CalibrateJob& job_;
  graphs::Sky sky_;
  std::shared_ptr<io::CorrelationSource> source_;
  std::shared_ptr<io::CorrelationAccess> access_;  ///< the same; null where data come in memory
  graphs::CalibrationData* data_ = nullptr;
  std::map<std::tuple<int, double, double>, std::shared_ptr<const std::vector<SourceGroup>>> groups_;
  std::map<int, std::shared_ptr<const std::vector<double>>> frequencies_;
  int32_t number_ = 0;  ///< of the next piece
  runtime::IoTime io_;
  std::vector<Unit> units_;
  std::vector<Slot> ring_;
  std::vector<DataId> sums_;
  DataId token_ = -1;
  int64_t stokes_ = 1, reference_ = -1;
  std::unique_ptr<graphs::ImageModel> image_;
  std::atomic<int64_t> flagged_{0};
};

/// The pieces are those of the units, in their order.
void Calibration::load_image(runtime::TaskSink& runtime) {
  std::vector<graphs::ImageModel::Piece> pieces;
  std::vector<const io::ChunkSpec*> chunks;
  std::map<int, std::shared_ptr<const std::vector<double>>> frequencies;
  for (const auto& unit : units_)
    for (const auto& chunk : unit.rows.chunks) {
      auto& freq = frequencies[chunk.window];
      if (!freq)
        freq = std::make_shared<const std::vector<double>>(
            source_->info().windows[static_cast<size_t>(chunk.window)].freq_hz);
      pieces.push_back({chunk.rows, chunk.channels, chunk.phase_centre, freq});
      chunks.push_back(&chunk);
    }
  constexpr double kAccuracy = 1e-5;  // far below what noise does to gains
  image_ = std::make_unique<graphs::ImageModel>(
      runtime, *sky_.image, job_.model, path(), kAccuracy, std::move(pieces),
      [&](size_t i, View<double, 2> out) { source_->read_uvw(*chunks[i], out); }, ring_.size());
  spdlog::debug("{}", image_->choices());
}

Shape Calibration::shape_of(int window) const {
  const auto& info = source_->info();
  Shape shape;
  shape.kind = job_.solve;
  shape.antennas = static_cast<int64_t>(info.antennas.size());
  shape.channels = info.windows[static_cast<size_t>(window)].channel_end;
  shape.channels_per_solution =
      job_.channels_per_solution > 0 ? std::min(job_.channels_per_solution, shape.channels) : shape.channels;
  shape.correlations = info.windows[static_cast<size_t>(window)].correlations;
  return shape;
}

void Calibration::check_windows() const {
  const auto& info = source_->info();
  std::map<int, int> seen;
  std::optional<std::vector<int>> common;
  const Direction* centre = nullptr;
  for (const auto& unit : units_) {
    const auto& codes = source_->correlations(unit.rows.window);
    const bool parallel = codes.size() == 1 || codes.size() == 2 || codes.size() == 4;
    const bool pair =
        codes == std::vector<int>{5, 8} || codes == std::vector<int>{9, 12} || codes.size() == 1;
    const bool all = codes == std::vector<int>{5, 6, 7, 8} || codes == std::vector<int>{9, 10, 11, 12};
    if (!parallel || !(pair || all))
      throw UserError(
          fmt::format("'{}' has the correlations {}; calibrate takes XX, YY or RR, LL or all four in order",
                      path(), io::correlation_names(codes)));
    if (job_.solve == SolveKind::full && !all)
      throw UserError(fmt::format("solve: full needs four correlations, '{}' has {}", path(),
                                  io::correlation_names(codes)));
    if (common && *common != codes)
      throw UserError(fmt::format("'{}' has spectral windows with different correlations; split it", path()));
    common = codes;
    const auto [at, fresh] =
        seen.try_emplace(info.windows[static_cast<size_t>(unit.rows.window)].id, unit.rows.window);
    if (!fresh && at->second != unit.rows.window)
      throw UserError(
          fmt::format("'{}' has a spectral window with two polarisation setups; split it", path()));
    for (const auto& chunk : unit.rows.chunks) {
      if (centre && sky_.point_jy &&
          std::hypot(centre->ra_rad - chunk.phase_centre.ra_rad,
                     centre->dec_rad - chunk.phase_centre.dec_rad) > 1e-9)
        throw UserError(
            fmt::format("model: '{}' has fields with several phase centres, {} is in one of them; split the "
                        "set or give a catalogue",
                        path(), job_.model));
      centre = &chunk.phase_centre;
    }
  }
}

Calibration::Sizes Calibration::sizes() const {
  Sizes most;
  for (const auto& unit : units_) {
    for (const auto& chunk : unit.rows.chunks) {
      most.rows = std::max(most.rows, chunk.rows);
      most.samples = std::max(most.samples, chunk.rows * chunk.channels);
    }
    most.pieces += static_cast<int64_t>(unit.rows.chunks.size());
    most.most_pieces = std::max(most.most_pieces, static_cast<int64_t>(unit.rows.chunks.size()));
    most.correlations = std::max(most.correlations, unit.shape.correlations);
    most.sums = std::max(most.sums, 8 * unit.shape.accumulator_size());
  }
  return most;
}

/// In memory, the data of an interval stay until they are corrected, while those of the next one arrive.
int64_t Calibration::slots() const {
  const auto most = sizes();
  return std::min(data_ != nullptr ? std::max(kSlots, 2 * most.most_pieces + 2) : kSlots, most.pieces);
}

int64_t Calibration::bytes() const {
  const auto most = sizes();
  int64_t gains = 0;
  for (const auto& unit : units_)
    gains += unit.shape.blocks() * unit.shape.antennas * unit.shape.polarisations() * 17;
  return slots() * (most.rows * 32 + most.samples * (most.correlations * 13 + stokes_ * 8)) +
         std::clamp<int64_t>(kSumBytes / most.sums, 1, kSlots) * most.sums + gains;
}

void Calibration::create(runtime::TaskSink& runtime) {
  ring_.clear();
  sums_.clear();
  number_ = 0;
  token_ = runtime.create({"set", 64, 0});
  const auto [rows, samples, correlations, sums, pieces, most_pieces] = sizes();
  for (auto& unit : units_) {
    const Shape& shape = unit.shape;
    const int64_t gains = shape.blocks() * shape.antennas * shape.polarisations();
    unit.gains = runtime.create({"gains", padded(16 * gains), 0});
    unit.valid = runtime.create({"valid", padded(gains), 0});
    unit.outcomes = runtime.create(
        {"outcomes", padded(static_cast<int64_t>(sizeof(Outcome)) * shape.blocks() * shape.fits()), 0});
  }
  const int64_t count = slots();
  for (int64_t i = 0; i < count; ++i) {
    Slot slot;
    slot.uvw = runtime.create({"uvw", padded(rows * 24), 0});
    slot.antennas = runtime.create({"antennas", padded(rows * 8), 0});
    slot.vis = runtime.create({"vis", padded(samples * correlations * 8), 0});
    slot.weight = runtime.create({"weight", padded(samples * correlations * 4), 0});
    slot.flag = runtime.create({"flag", padded(samples * correlations), 0});
    slot.model = runtime.create({"model", padded(samples * stokes_ * 8), 0});
    slot.count = runtime.create({"count", 64, 0});
    ring_.push_back(slot);
  }
  for (int64_t i = 0; i < std::clamp<int64_t>(kSumBytes / sums, 1, kSlots); ++i)
    sums_.push_back(runtime.create({"sums", padded(sums), 0}));
  if (sky_.image) load_image(runtime);
}

void Calibration::submit_read(runtime::TaskSink& runtime, const io::ChunkSpec& chunk, const Slot& slot,
                              int32_t number) {
  if (data_ != nullptr) {
    data_->submit_data(runtime, chunk, static_cast<size_t>(number) % ring_.size(),
                       {slot.uvw, slot.antennas, slot.vis, slot.weight, slot.flag}, number);
    return;
  }
  const int64_t correlations = source_->info().windows[static_cast<size_t>(chunk.window)].correlations;
  auto read = [access = access_, &chunk](io::CorrelationBuffers& out) { access->read(chunk, out); };
  runtime.submit(runtime::make_task(
      calibrate::read_correlations_codelet(),
      calibrate::ReadCorrelationsArgs{chunk.rows, chunk.channels, correlations, std::move(read)},
      {{slot.uvw, Access::write},
       {slot.antennas, Access::write},
       {slot.vis, Access::write},
       {slot.weight, Access::write},
       {slot.flag, Access::write},
       {token_, Access::read_write}},
      {number}, 2));
}

void Calibration::submit_unit(runtime::TaskSink& runtime, size_t number_of_unit) {
  const Unit& unit = units_[number_of_unit];
  const int window = unit.rows.window;
  auto& freq = frequencies_[window];
  if (!freq)
    freq = std::make_shared<const std::vector<double>>(
        source_->info().windows[static_cast<size_t>(window)].freq_hz);
  const auto codes = std::make_shared<const std::vector<int>>(source_->correlations(window));
  const DataId sums = sums_[number_of_unit % sums_.size()];
  const int32_t first_number = number_;
  for (const auto& chunk : unit.rows.chunks) {
    const int32_t number = number_++;
    const bool first = number == first_number;
    const Slot& slot = ring_[static_cast<size_t>(number) % ring_.size()];
    submit_read(runtime, chunk, slot, number);
    if (image_) {
      const auto piece = static_cast<size_t>(number);
      image_->submit(runtime, piece, piece % ring_.size(), slot.uvw, slot.model, number);
    } else {
      auto& group = groups_[{window, chunk.phase_centre.ra_rad, chunk.phase_centre.dec_rad}];
      if (!group)
        group = graphs::source_groups(sky_.seen_from(chunk.phase_centre), chunk.phase_centre, *freq, stokes_);
      runtime.submit(runtime::make_task(simulate_codelet(),
                                        SimulateTaskArgs{chunk.rows, chunk.channels, stokes_, freq, group},
                                        {{slot.model, Access::write}, {slot.uvw, Access::read}}, {number}));
    }
    runtime.submit(
        runtime::make_task(calibrate::accumulate_codelet(),
                           calibrate::AccumulateArgs{unit.shape, chunk.rows, stokes_, codes, first},
                           {{sums, first ? Access::write : Access::read_write},
                            {slot.vis, Access::read},
                            {slot.weight, Access::read},
                            {slot.antennas, Access::read},
                            {slot.model, Access::read}},
                           {number}));
  }
  runtime.submit(runtime::make_task(calibrate::solve_codelet(), calibrate::SolveArgs{unit.shape, reference_},
                                    {{unit.gains, Access::write},
                                     {unit.valid, Access::write},
                                     {unit.outcomes, Access::write},
                                     {sums, Access::read}},
                                    {number_ - 1}, 1));
  if (data_ == nullptr) return;
  int32_t number = first_number;
  for (const auto& chunk : unit.rows.chunks) {
    const Slot& slot = ring_[static_cast<size_t>(number) % ring_.size()];
    if (!job_.apply_column.empty()) submit_correction(runtime, unit, chunk, slot, number);
    data_->submit_onwards(runtime, chunk, {slot.uvw, slot.antennas, slot.vis, slot.weight, slot.flag},
                          number);
    ++number;
  }
}

void Calibration::submit_correction(runtime::TaskSink& runtime, const Unit& unit, const io::ChunkSpec& chunk,
                                    const Slot& slot, int32_t number) {
  runtime.submit(runtime::make_task(calibrate::apply_codelet(), calibrate::ApplyArgs{unit.shape, chunk.rows},
                                    {{slot.vis, Access::read_write},
                                     {slot.flag, Access::read_write},
                                     {slot.count, Access::write},
                                     {slot.antennas, Access::read},
                                     {unit.gains, Access::read},
                                     {unit.valid, Access::read}},
                                    {number}));
}

void Calibration::submit_corrections(runtime::TaskSink& runtime) {
  struct Piece {
    const Unit* unit;
    const io::ChunkSpec* chunk;
  };
  std::vector<Piece> pieces;
  for (const auto& unit : units_)
    for (const auto& chunk : unit.rows.chunks) pieces.push_back({&unit, &chunk});
  const size_t ahead = ring_.size();
  auto submit_read_of = [&](size_t i) {
    submit_read(runtime, *pieces[i].chunk, ring_[i % ahead], static_cast<int32_t>(i));
  };
  // A ring's worth of reading comes first, so that correcting never waits for the writing of the piece before.
  for (size_t i = 0; i < std::min(ahead, pieces.size()); ++i) submit_read_of(i);
  for (size_t i = 0; i < pieces.size() && !runtime.failed(); ++i) {
    const auto& [unit, chunk] = pieces[i];
    const Slot& slot = ring_[i % ahead];
    const auto number = static_cast<int32_t>(i);
    submit_correction(runtime, *unit, *chunk, slot, number);
    auto write = [this, chunk = chunk](View<const std::complex<float>, 3> vis, View<const uint8_t, 3> flag,
                                       int64_t changed) {
      access_->write(*chunk, vis, flag, changed > 0);
      flagged_ += changed;
    };
    runtime.submit(
        runtime::make_task(calibrate::write_correlations_codelet(),
                           calibrate::WriteCorrelationsArgs{chunk->rows, chunk->channels,
                                                            unit->shape.correlations, std::move(write)},
                           {{slot.vis, Access::read},
                            {slot.flag, Access::read},
                            {slot.count, Access::read},
                            {token_, Access::read_write}},
                           {number}, 1));
    if (i + ahead < pieces.size()) submit_read_of(i + ahead);
  }
}

/// Solutions of all windows on one frequency axis.
io::GainTable Calibration::gains(const runtime::Runtime& runtime) const {
  const auto& info = source_->info();
  io::GainTable table;
  table.times_s = source_->interval_times_s();
  table.bounds_s = source_->interval_bounds_s();
  table.antennas = info.antennas;
  table.amplitudes = job_.solve == SolveKind::diagonal || job_.solve == SolveKind::full;
  table.centre = units_.front().rows.chunks.front().phase_centre;
  const auto& codes = source_->correlations(units_.front().rows.window);
  const int64_t polarisations = units_.front().shape.polarisations();
  if (job_.solve != SolveKind::scalar_phase)
    for (int64_t p = 0; p < polarisations; ++p) {
      const auto hands = static_cast<int64_t>(codes.size());
      const int code = codes[static_cast<size_t>(polarisations == hands ? p : p * (hands - 1))];
      table.polarisations.push_back(io::correlation_names(std::span<const int>(&code, 1)));
    }
  std::map<std::pair<int, int64_t>, int64_t> place;  // (window, block) on the frequency axis
  std::vector<std::tuple<double, int, int64_t>> blocks;
  for (const auto& unit : units_)
    for (int64_t block = 0; block < unit.shape.blocks(); ++block) {
      if (!place.try_emplace({unit.rows.window, block}, 0).second) continue;
      const auto& freq = info.windows[static_cast<size_t>(unit.rows.window)].freq_hz;
      const int64_t begin = block * unit.shape.channels_per_solution,
                    end = std::min(begin + unit.shape.channels_per_solution, unit.shape.channels);
      double sum = 0;
      for (int64_t c = begin; c < end; ++c) sum += freq[static_cast<size_t>(c)];
      blocks.emplace_back(sum / static_cast<double>(end - begin), unit.rows.window, block);
    }
  std::sort(blocks.begin(), blocks.end());
  for (const auto& [freq, window, block] : blocks) {
    place[{window, block}] = static_cast<int64_t>(table.freq_hz.size());
    table.freq_hz.push_back(freq);
  }
  const auto size = static_cast<size_t>(table.size());
  table.gains.assign(size, 1.);
  table.valid.assign(size, 0);
  const auto frequencies = static_cast<int64_t>(table.freq_hz.size());
  for (const auto& unit : units_) {
    const int64_t row = unit.shape.antennas * unit.shape.polarisations();
    const auto* gain = runtime.host(unit.gains).as<const std::complex<double>>();
    const auto* valid = runtime.host(unit.valid).as<const uint8_t>();
    for (int64_t block = 0; block < unit.shape.blocks(); ++block) {
      const int64_t to = (unit.rows.interval * frequencies + place.at({unit.rows.window, block})) * row;
      std::copy_n(gain + block * row, row, table.gains.begin() + to);
      std::copy_n(valid + block * row, row, table.valid.begin() + to);
    }
  }
  return table;
}

/// Convergence, χ² and failures; throws when nothing was found.
void Calibration::report(const runtime::Runtime& runtime) const {
  graphs::FitSummary summary;
  for (const auto& unit : units_) {
    const auto* outcomes = runtime.host(unit.outcomes).as<const Outcome>();
    for (int64_t i = 0; i < unit.shape.blocks() * unit.shape.fits(); ++i) summary.add(outcomes[i]);
  }
  summary.report(path(), fmt::format("{} intervals", source_->interval_times_s().size()),
                 calibrate::Limits().tolerance);
}

/// Antennas that have a solution less than half of the time.
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

io::GainTable Calibration::finish(const runtime::Runtime& runtime) const {
  report(runtime);
  io::GainTable table = gains(runtime);
  if (job_.normalise && table.amplitudes) normalise_amplitudes(table);
  report_antennas(table);
  io::write_h5parm(job_.output, table);
  if (job_.plot)
    for (const auto& file : io::write_gain_plots(job_.output, table)) spdlog::info("plot {}", file);
  const auto good = std::count(table.valid.begin(), table.valid.end(), 1);
  spdlog::info("{}: {} intervals x {} frequencies x {} antennas x {}, {:.1f} % flagged", job_.output,
               table.times_s.size(), table.freq_hz.size(), table.antennas.size(), table.pols(),
               100 - 100 * static_cast<double>(good) / static_cast<double>(table.size()));
  return table;
}

int64_t Calibration::visibilities() const {
  int64_t count = 0;
  for (const auto& unit : units_)
    for (const auto& chunk : unit.rows.chunks) count += chunk.rows * chunk.channels;
  return count;
}

/// As run() submits them, which waits for all solutions before it corrects.
void Calibration::record(graphs::Recorder& recorder) {
  create(recorder);
  for (size_t i = 0; i < units_.size(); ++i) submit_unit(recorder, i);
  if (job_.apply_column.empty()) return;
  recorder.wait(static_cast<int64_t>(recorder.tasks().size()) - 1);
  submit_corrections(recorder);
}

io::GainTable Calibration::run(graphs::RunRecord* record) {
  const auto start = std::chrono::steady_clock::now();
  if (record != nullptr) record->phase("planning");
  runtime::Runtime runtime(graphs::with_fxt_folder(job_.runtime, graphs::run_prefix(job_.output)));
  if (record != nullptr) record->phase("start");
  create(runtime);
  io::GainTable table;
  {
    const graphs::RunWatch watch(runtime, 0);
    for (size_t i = 0; i < units_.size() && !runtime.failed(); ++i) submit_unit(runtime, i);
    runtime.wait_all();
    table = finish(runtime);
    if (!job_.apply_column.empty()) {
      submit_corrections(runtime);
      runtime.wait_all();
      access_->flush();
      spdlog::info("{}: column {} written; {} correlations more are flagged, for want of a solution", path(),
                   job_.apply_column, flagged_.load());
    }
  }
  io_ = runtime::io_time(runtime.timeline());
  if (record != nullptr) {
    record->phase("graph");
    graphs::leave_run(graphs::run_prefix(job_.output), job_.workflow_text, *record, runtime, visibilities());
  }
  runtime.learn();
  spdlog::info("calibrated in {:.2f} s",
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return table;
}

}  // namespace

void normalise_amplitudes(io::GainTable& table) {
  // Off-diagonal elements of matrices are leakage, not gain.
  const auto pols = static_cast<size_t>(table.pols());
  const auto is_gain = [&](size_t i) {
    return table.valid[i] != 0 && (pols != 4 || i % pols == 0 || i % pols == 3) &&
           std::abs(table.gains[i]) > 0;
  };
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 0; i < table.gains.size(); ++i)
    if (is_gain(i)) {
      sum += std::log(std::abs(table.gains[i]));
      ++count;
    }
  if (count == 0) return;
  const double mean = std::exp(sum / static_cast<double>(count));
  for (size_t i = 0; i < table.gains.size(); ++i)
    if (table.valid[i]) table.gains[i] /= mean;
}
namespace graphs {

struct CalibrationInMemory::Impl {
  Impl(const CalibrateJob& the_job, std::shared_ptr<io::CorrelationSource> source, CalibrationData& data)
      : job(the_job), calibration(job, std::move(source), data) {}
  CalibrateJob job;
  Calibration calibration;
};

CalibrationInMemory::CalibrationInMemory(const CalibrateJob& job,
                                         std::shared_ptr<io::CorrelationSource> source, CalibrationData& data)
    : impl_(std::make_unique<Impl>(job, std::move(source), data)) {}
CalibrationInMemory::~CalibrationInMemory() = default;
size_t CalibrationInMemory::units() const { return impl_->calibration.units(); }
int64_t CalibrationInMemory::slots() const { return impl_->calibration.slots(); }
int64_t CalibrationInMemory::bytes() const { return impl_->calibration.bytes(); }
void CalibrationInMemory::create(runtime::TaskSink& sink) { impl_->calibration.create(sink); }
void CalibrationInMemory::submit(runtime::TaskSink& sink, size_t unit) {
  impl_->calibration.submit_unit(sink, unit);
}
void CalibrationInMemory::finish(const runtime::Runtime& runtime) { impl_->calibration.finish(runtime); }

RecordedFacts record_calibration(const CalibrateJob& job, std::shared_ptr<io::CorrelationSource> declared,
                                 Recorder& recorder) {
  if (declared == nullptr) {
    io::CorrelationSelection rows;
    rows.column = job.column;
    rows.uv_m = job.uv_m;
    rows.uv_lambda = job.uv_lambda;
    declared = std::make_shared<io::CorrelationAccess>(job.ms, std::move(rows), "");
  }
  struct Owner {
    CalibrateJob job;
    Calibration calibration;
    Owner(const CalibrateJob& the_job, std::shared_ptr<io::CorrelationSource> source)
        : job(the_job), calibration(job, std::move(source)) {}
  };
  constexpr int64_t kProgram = int64_t{192} << 20;  // libraries, StarPU, scratch
  auto owner = std::make_shared<Owner>(job, std::move(declared));
  owner->calibration.record(recorder);
  return {owner->calibration.visibilities(), kProgram + owner->calibration.bytes(), owner};
}

}  // namespace graphs

void warn_of_long_rows(const io::CorrelationAccess& data, double interval_s) {
  const auto [shortest_s, longest_s] = data.row_lengths_s();
  if (interval_s <= 0 || longest_s < 1.01 * interval_s || longest_s < 1.01 * shortest_s) return;
  spdlog::warn(
      "{}: averages of short baselines are up to {:g} s long: an interval of {:g} s has those whose "
      "middle is in it",
      data.info().path, longest_s, interval_s);
}

int64_t reference_antenna(const io::MeasurementSetInfo& info, const std::string& name) {
  if (name.empty()) return -1;
  std::vector<std::string> names;
  for (const auto& antenna : info.antennas) names.push_back(antenna.name);
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw UserError(fmt::format("reference: '{}' has no antenna '{}'; it has {}", info.path, name,
                                fmt::join(names, ", ")));
  return found - names.begin();
}

runtime::IoTime run_calibrate(const CalibrateJob& job) {
  graphs::RunRecord record(job.runtime.trace);
  if (graphs::needs_directions(job)) return graphs::calibrate_directions(job, {}, &record).io;
  Calibration calibration(job, io::CorrelationSelection{});
  calibration.run(&record);
  return calibration.io();
}

io::GainTable solve_gains(const CalibrateJob& job, const io::CorrelationSelection& rows) {
  if (graphs::needs_directions(job))
    return graphs::calibrate_directions(job, rows, nullptr).gains.tables.front();
  return Calibration(job, rows).run(nullptr);
}

}  // namespace fringeflow
