// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Solution intervals are independent: read_correlations -> accumulate_directions, piece by piece through a ring of buffers into a few
/// sums that grow side by side -> solve_directions; with Student's t several times, each pass with the gains of the one before.
#include "graphs/calibrate/directions.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "codelets/calibrate/directions_tasks.hpp"
#include "graphs/calibrate/calibrate.hpp"
#include "graphs/calibrate/direction_models.hpp"
#include "graphs/calibrate/fit_summary.hpp"
#include "graphs/calibrate/pieces.hpp"
#include "graphs/calibrate/sky.hpp"
#include "graphs/calibrate/solution_axes.hpp"
#include "graphs/calibrate/solve_batch.hpp"
#include "graphs/calibrate/write_corrected.hpp"
#include "graphs/predict/predict.hpp"
#include "graphs/progress.hpp"
#include "graphs/run_record.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "io/gain_plot.hpp"
#include "io/measurement_set_stokes.hpp"
#include "io/regions.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow::graphs {
namespace {

using calibrate::DirectionShape;
using calibrate::Outcome;
using runtime::Access;
using runtime::DataId;

constexpr int64_t kChunkVisibilities = int64_t{1} << 16;
constexpr size_t kSlots = 8;
/// Sums of an interval that pieces go to in turn: as many tasks run at a time. A constant, for it changes bits.
constexpr size_t kParts = 4;
constexpr int64_t kSumBytes = int64_t{512} << 20;
/// Of a task; each has up to eight buffers.
constexpr int64_t kMostIntervals = 16;
/// Of reweighing; the first is without.
constexpr int kRobustPasses = 5;
/// Blocks of a spectral window where the user does not say and gains of channels are tied together.
constexpr int64_t kTiedBlocks = 16;

struct Unit {
  io::IntervalRows rows;
  DirectionShape shape;
  std::vector<double> block_hz;
  DataId gains = -1, valid = -1, outcomes = -1, tec = -1;
  size_t parts() const { return std::min(kParts, rows.chunks.size()); }
};

class Directional {
 public:
  Directional(const CalibrateJob& job, io::CorrelationSelection rows);
  DirectionsSolved run(RunRecord* record);

 private:
  DirectionShape shape_of(int window) const;
  void create(runtime::Runtime& runtime);
  void submit(runtime::Runtime& runtime, int pass);
  void submit_solutions(runtime::Runtime& runtime);
  calibrate::SolveDirectionsArgs solve_args(const Unit& unit, int64_t intervals) const;
  std::shared_ptr<const calibrate::DirectionGroups> groups_of(const Unit& unit, const Direction& centre);
  io::DirectionalGains gains(const runtime::Runtime& runtime) const;
  io::TecTable tec(const runtime::Runtime& runtime, const io::DirectionalGains& gains) const;
  void report(const runtime::Runtime& runtime, const io::DirectionalGains& gains) const;
  int passes() const { return job_.robust > 0 ? kRobustPasses : 1; }
  const std::string& path() const { return access_->info().path; }

  const CalibrateJob& job_;
  std::shared_ptr<io::CorrelationAccess> access_;
  std::vector<Unit> units_;
  std::vector<DirectionModel> models_;
  std::vector<CalibrationBuffers> ring_;
  std::vector<std::vector<DataId>> sums_;  ///< [unit, in turn][part]
  int64_t batch_ = 1;                      ///< intervals that one task solves
  std::vector<size_t> waiting_;            ///< units that are accumulated and to be solved by the next task
  DataId token_ = -1;
  int64_t stokes_ = 1, reference_ = -1;
  std::shared_ptr<const std::vector<std::array<double, 3>>> position_m_;
  int32_t number_ = 0;
  std::map<int, std::shared_ptr<const std::vector<double>>> frequencies_;
  std::map<std::tuple<int, double, double>, std::shared_ptr<const calibrate::DirectionGroups>> groups_;
};

Directional::Directional(const CalibrateJob& job, io::CorrelationSelection rows) : job_(job) {
  io::check_writable_prefix(job.output);
  if (job.solve == SolveKind::full)
    throw UserError("solve: full has neither directions, smoothness nor robust weights; diagonal has");
  rows.column = job.column;
  rows.uv_m = job.uv_m;
  rows.uv_lambda = job.uv_lambda;
  access_ = std::make_shared<io::CorrelationAccess>(job.ms, std::move(rows), "");
  reference_ = reference_antenna(access_->info(), job.reference);
  auto positions = std::make_shared<std::vector<std::array<double, 3>>>();
  for (const auto& antenna : access_->info().antennas)
    positions->push_back({antenna.position_m[0], antenna.position_m[1], antenna.position_m[2]});
  position_m_ = std::move(positions);
  auto parts = access_->divide(job.interval_s, kChunkVisibilities);
  check_correlations(*access_, parts, false);
  check_one_centre(*access_, parts, "from one of which directions are seen; split the set");
  for (auto& part : parts) units_.push_back({std::move(part), {}, {}});
  warn_of_long_rows(*access_, job.interval_s);
  const Direction& centre = units_.front().rows.chunks.front().phase_centre;
  models_ = direction_models(job.directions, load_sky(job.model).seen_from(centre), centre);
  for (auto& unit : units_) {
    unit.shape = shape_of(unit.rows.window);
    unit.block_hz = block_frequencies(unit.shape.gains,
                                      access_->info().windows[static_cast<size_t>(unit.rows.window)].freq_hz);
  }
  if (job.solve == SolveKind::tec && units_.front().shape.gains.blocks() < 2)
    throw UserError("solve: tec needs channels: '" + path() + "' has one block of them");
  for (const auto& model : models_) stokes_ = std::max(stokes_, stokes_needed(model.components));
}

DirectionShape Directional::shape_of(int window) const {
  const auto& info = access_->info();
  DirectionShape shape;
  auto& gains = shape.gains;
  gains.kind = job_.solve;
  gains.antennas = static_cast<int64_t>(info.antennas.size());
  gains.channels = info.windows[static_cast<size_t>(window)].channel_end;
  const bool tied = job_.solve == SolveKind::tec || job_.smooth_hz > 0;
  const int64_t whole = tied ? (gains.channels + kTiedBlocks - 1) / kTiedBlocks : gains.channels;
  gains.channels_per_solution =
      job_.channels_per_solution > 0 ? std::min(job_.channels_per_solution, gains.channels) : whole;
  gains.correlations = info.windows[static_cast<size_t>(window)].correlations;
  shape.directions = static_cast<int64_t>(models_.size());
  return shape;
}

void Directional::create(runtime::Runtime& runtime) {
  token_ = runtime.create({"set", 64, 0});
  int64_t rows = 1, samples = 1, correlations = 1, sums = 1;
  size_t pieces = 0, parts = 1;
  for (auto& unit : units_) {
    const auto& shape = unit.shape.gains;
    for (const auto& chunk : unit.rows.chunks) {
      rows = std::max(rows, chunk.rows);
      samples = std::max(samples, chunk.rows * chunk.channels);
      ++pieces;
    }
    parts = std::max(parts, unit.parts());
    correlations = std::max(correlations, shape.correlations);
    sums = std::max(sums, 8 * unit.shape.accumulator_size());
    unit.gains = runtime.create({"gains", padded(16 * unit.shape.gain_size()), 0});
    unit.valid = runtime.create({"valid", padded(unit.shape.gain_size()), 0});
    unit.outcomes = runtime.create(
        {"outcomes", padded(static_cast<int64_t>(sizeof(Outcome)) * shape.blocks() * shape.fits()), 0});
    unit.tec = runtime.create({"tec", padded(8 * shape.antennas * unit.shape.directions), 0});
  }
  for (size_t i = 0; i < std::min(kSlots, pieces); ++i)
    ring_.push_back(create_buffers(runtime, rows, samples, correlations));
  const auto intervals = static_cast<int64_t>(units_.size());
  const int64_t room =
      std::clamp<int64_t>(kSumBytes / (sums * static_cast<int64_t>(parts)), 1, 2 * kMostIntervals);
  const auto& gains = units_.front().shape.gains;
  const auto one = solve_args(units_.front(), 1);
  batch_ = intervals_per_task(Solvers::of(runtime.info()), intervals, gains.blocks() * gains.fits(),
                              calibrate::solve_directions_codelet().work(&one), room);
  const int64_t side_by_side = std::min({room, std::max<int64_t>(kSlots, 2 * batch_), intervals});
  for (int64_t i = 0; i < side_by_side; ++i) {
    sums_.emplace_back();
    for (size_t part = 0; part < parts; ++part)
      sums_.back().push_back(runtime.create({"sums", padded(sums), 0}));
  }
}

std::shared_ptr<const calibrate::DirectionGroups> Directional::groups_of(const Unit& unit,
                                                                         const Direction& centre) {
  const int window = unit.rows.window;
  auto& groups = groups_[{window, centre.ra_rad, centre.dec_rad}];
  if (!groups) {
    auto made = std::make_shared<calibrate::DirectionGroups>();
    for (const auto& model : models_)
      made->push_back(source_groups(model.components, centre, *frequencies_.at(window), stokes_));
    groups = std::move(made);
  }
  return groups;
}

void Directional::submit(runtime::Runtime& runtime, int pass) {
  for (size_t i = 0; i < units_.size() && !runtime.failed(); ++i) {
    const Unit& unit = units_[i];
    const int window = unit.rows.window;
    auto& freq = frequencies_[window];
    if (!freq)
      freq = std::make_shared<const std::vector<double>>(
          access_->info().windows[static_cast<size_t>(window)].freq_hz);
    const auto codes = std::make_shared<const std::vector<int>>(access_->correlations(window));
    const auto& sums = sums_[i % sums_.size()];
    const size_t parts = unit.parts();
    // Intervals of one task are alike.
    if (!waiting_.empty() &&
        (units_[waiting_.front()].rows.window != window || units_[waiting_.front()].parts() != parts))
      submit_solutions(runtime);
    size_t piece = 0;
    for (const auto& chunk : unit.rows.chunks) {
      const CalibrationBuffers& slot = ring_[static_cast<size_t>(number_) % ring_.size()];
      submit_read_of(runtime, access_, chunk, unit.shape.gains.correlations, slot, token_, number_);
      const bool first = piece < parts;
      calibrate::AccumulateDirectionsArgs args{
          unit.shape, chunk.rows, stokes_, codes, freq, groups_of(unit, chunk.phase_centre), first};
      std::vector<std::pair<DataId, Access>> data{
          {sums[piece % parts], first ? Access::write : Access::read_write},
          {slot.uvw, Access::read},
          {slot.vis, Access::read},
          {slot.weight, Access::read},
          {slot.antennas, Access::read}};
      if (pass > 0) {
        args.freedom = job_.robust;
        for (const DataId id : {unit.gains, unit.valid, unit.outcomes}) data.emplace_back(id, Access::read);
      }
      runtime.submit(runtime::make_task(calibrate::accumulate_directions_codelet(), std::move(args),
                                        std::move(data), {number_}));
      ++piece;
      ++number_;
    }
    waiting_.push_back(i);
    if (static_cast<int64_t>(waiting_.size()) >= batch_) submit_solutions(runtime);
  }
  submit_solutions(runtime);
}

/// Of the units that are waiting, in one task.
void Directional::submit_solutions(runtime::Runtime& runtime) {
  if (waiting_.empty()) return;
  const Unit& first = units_[waiting_.front()];
  std::vector<std::pair<DataId, Access>> data;
  for (const size_t i : waiting_)
    for (const DataId id : {units_[i].gains, units_[i].valid, units_[i].outcomes, units_[i].tec})
      data.emplace_back(id, Access::write);
  for (const size_t i : waiting_)
    for (size_t part = 0; part < first.parts(); ++part)
      data.emplace_back(sums_[i % sums_.size()][part], Access::read);
  runtime.submit(runtime::make_task(calibrate::solve_directions_codelet(),
                                    solve_args(first, static_cast<int64_t>(waiting_.size())), std::move(data),
                                    {number_ - 1}, 1));
  waiting_.clear();
}

calibrate::SolveDirectionsArgs Directional::solve_args(const Unit& unit, int64_t intervals) const {
  calibrate::DirectionLimits limits;
  limits.solver = job_.solver;
  limits.smooth_hz = job_.smooth_hz;
  return {unit.shape,  limits,   static_cast<int64_t>(unit.parts()), reference_, unit.block_hz,
          position_m_, intervals};
}

/// Solutions of all windows on one axis of frequencies.
io::DirectionalGains Directional::gains(const runtime::Runtime& runtime) const {
  FrequencyAxis axis;
  for (const auto& unit : units_) axis.add(unit.rows.window, unit.block_hz);
  axis.arrange();
  const Unit& first = units_.front();
  const io::GainTable table = empty_table(*access_, axis, first.shape.gains, first.rows.window,
                                          first.rows.chunks.front().phase_centre);
  const int64_t pols = first.shape.gains.polarisations();
  io::DirectionalGains out;
  const auto frequencies = static_cast<int64_t>(table.freq_hz.size());
  for (size_t d = 0; d < models_.size(); ++d) {
    io::GainTable one = table;
    if (!job_.directions.empty()) one.centre = models_[d].direction;
    for (const auto& unit : units_) {
      const auto& shape = unit.shape.gains;
      const auto* gain = runtime.host(unit.gains).as<const std::complex<double>>();
      const auto* valid = runtime.host(unit.valid).as<const uint8_t>();
      for (int64_t block = 0; block < shape.blocks(); ++block)
        for (int64_t a = 0; a < shape.antennas; ++a) {
          const int64_t at = axis.place(unit.rows.window, block);
          const auto from =
              ((block * shape.antennas + a) * unit.shape.directions + static_cast<int64_t>(d)) * pols;
          const auto to = ((unit.rows.interval * frequencies + at) * shape.antennas + a) * pols;
          std::copy_n(gain + from, pols, one.gains.begin() + to);
          std::copy_n(valid + from, pols, one.valid.begin() + to);
        }
    }
    out.names.push_back(models_[d].name);
    out.directions.push_back(one.centre);
    out.tables.push_back(std::move(one));
  }
  return out;
}

/// Of the first spectral window in each interval.
io::TecTable Directional::tec(const runtime::Runtime& runtime, const io::DirectionalGains& gains) const {
  io::TecTable table;
  const io::GainTable& first = gains.tables.front();
  table.times_s = first.times_s;
  table.antennas = first.antennas;
  table.directions = gains.directions;
  const size_t row = table.antennas.size() * table.directions.size();
  table.tec.assign(table.times_s.size() * row, 0);
  table.valid.assign(table.tec.size(), 0);
  std::vector<bool> known(table.times_s.size());
  for (const auto& unit : units_) {
    const auto interval = static_cast<size_t>(unit.rows.interval);
    if (known[interval]) continue;
    known[interval] = true;
    std::copy_n(runtime.host(unit.tec).as<const double>(), row,
                table.tec.begin() + static_cast<int64_t>(interval * row));
    // One content holds for all blocks.
    std::copy_n(runtime.host(unit.valid).as<const uint8_t>(), row,
                table.valid.begin() + static_cast<int64_t>(interval * row));
  }
  return table;
}

/// Convergence, χ² and flagged solutions; throws when nothing was found.
void Directional::report(const runtime::Runtime& runtime, const io::DirectionalGains& gains) const {
  FitSummary summary;
  for (const auto& unit : units_) {
    const auto* outcomes = runtime.host(unit.outcomes).as<const Outcome>();
    for (int64_t i = 0; i < unit.shape.gains.blocks() * unit.shape.gains.fits(); ++i)
      summary.add(outcomes[i]);
  }
  summary.report(
      path(), fmt::format("{} intervals, {} directions", access_->interval_times_s().size(), models_.size()),
      calibrate::DirectionLimits().tolerance);
  for (size_t d = 0; d < gains.tables.size(); ++d) {
    const auto& table = gains.tables[d];
    double flux = 0;
    for (const auto& component : models_[d].components) flux += component.stokes_jy[0];
    const auto good = std::count(table.valid.begin(), table.valid.end(), 1);
    spdlog::info("{} {} {}: {} components, {:.4g} Jy, {:.1f} % flagged", models_[d].name,
                 io::format_ra(gains.directions[d].ra_rad), io::format_dec(gains.directions[d].dec_rad),
                 models_[d].components.size(), flux,
                 100 - 100 * static_cast<double>(good) / static_cast<double>(table.size()));
  }
}

/// Cells in a square around all directions, half as large again.
io::ImageGrid grid_around(const Direction& centre, std::span<const Direction> directions) {
  double reach = 0;
  for (const auto& one : directions) {
    const auto lmn = io::lmn_of(centre, one);
    reach = std::max({reach, std::abs(lmn.l), std::abs(lmn.m)});
  }
  constexpr int64_t kPixels = 1000;
  return {centre, std::min(std::max(1.5 * reach, 1e-4), 0.7) * 2 / kPixels, kPixels, kPixels};
}

DirectionsSolved Directional::run(RunRecord* record) {
  const auto start = std::chrono::steady_clock::now();
  if (record != nullptr) record->phase("planning");
  runtime::Runtime runtime(with_fxt_folder(job_.runtime, run_prefix(job_.output)));
  if (record != nullptr) record->phase("start");
  create(runtime);
  const RunWatch watch(runtime, 0);
  for (int pass = 0; pass < passes(); ++pass) submit(runtime, pass);
  runtime.wait_all();
  io::DirectionalGains out = gains(runtime);
  report(runtime, out);
  if (job_.normalise && out.tables.front().amplitudes)
    for (auto& table : out.tables) normalise_amplitudes(table);
  std::optional<io::TecTable> contents;
  if (job_.solve == SolveKind::tec) contents = tec(runtime, out);
  const io::TecTable* beside = contents ? &*contents : nullptr;
  if (job_.directions.empty())
    io::write_h5parm(job_.output, out.tables.front(), beside);
  else
    io::write_h5parm(job_.output, out, beside);
  if (!job_.facets.empty())
    io::write_facets(
        job_.facets,
        io::voronoi_facets(out.directions, out.names,
                           grid_around(units_.front().rows.chunks.front().phase_centre, out.directions)));
  if (job_.plot)
    for (size_t d = 0; d < out.tables.size(); ++d) {
      const std::string name =
          out.tables.size() == 1
              ? job_.output
              : fmt::format("{}-D{}.h5", job_.output.substr(0, job_.output.rfind(".h5")), d);
      for (const auto& file : io::write_gain_plots(name, out.tables[d])) spdlog::info("plot {}", file);
    }
  if (record != nullptr) {
    int64_t visibilities = 0;
    for (const auto& unit : units_)
      for (const auto& chunk : unit.rows.chunks) visibilities += chunk.rows * chunk.channels;
    record->phase("graph");
    leave_run(run_prefix(job_.output), job_.workflow_text, *record, runtime, visibilities);
  }
  runtime.learn();
  spdlog::info("{}: calibrated in {:.2f} s", job_.output,
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return {std::move(out), runtime::io_time(runtime.timeline())};
}

}  // namespace

bool needs_directions(const CalibrateJob& job) {
  return !job.directions.empty() || job.solve == SolveKind::tec || job.smooth_hz > 0 || job.robust > 0;
}

DirectionsSolved calibrate_directions(const CalibrateJob& job, const io::CorrelationSelection& rows,
                                      RunRecord* record) {
  if (!job.apply_column.empty() && !job.directions.empty())
    throw UserError(
        "apply: gains of several directions do not correct one column; image with them per facet");
  DirectionsSolved solved = Directional(job, rows).run(record);
  const io::DirectionalGains& gains = solved.gains;
  if (!job.apply_column.empty()) {
    io::CorrelationSelection all = rows;
    all.column = job.column;
    all.gains.push_back(std::make_shared<const io::GainTable>(gains.tables.front()));
    write_corrected(job.ms, std::move(all), job.apply_column);
  }
  return solved;
}

}  // namespace fringeflow::graphs
