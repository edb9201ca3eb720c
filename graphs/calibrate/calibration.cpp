// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/calibrate/calibration.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "graphs/calibrate/fit_summary.hpp"
#include "graphs/calibrate/pieces.hpp"
#include "graphs/calibrate/solution_axes.hpp"
#include "graphs/predict/predict.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow::graphs {
namespace {

using calibrate::Outcome;
using calibrate::Shape;
using runtime::Access;
using runtime::DataId;

constexpr int64_t kChunkVisibilities = int64_t{1} << 17;
constexpr int64_t kSlots = 8;
/// Sums of the intervals that are solved side by side.
constexpr int64_t kSumBytes = int64_t{512} << 20;
/// Of a task; each has four buffers.
constexpr int64_t kMostIntervals = 32;

}  // namespace

Calibration::Calibration(const CalibrateJob& job, io::CorrelationSelection rows)
    : job_(job), sky_(load_sky(job.model)) {
  io::check_writable_prefix(job.output);
  rows.column = job.column;
  rows.uv_m = job.uv_m;
  rows.uv_lambda = job.uv_lambda;
  access_ = std::make_shared<io::CorrelationAccess>(job.ms, std::move(rows), job.apply_column);
  source_ = access_;
  plan();
  warn_of_long_rows(*access_, job.interval_s);
}

Calibration::Calibration(const CalibrateJob& job, std::shared_ptr<io::CorrelationSource> source,
                         CalibrationData& data)
    : job_(job), sky_(load_sky(job.model)), source_(std::move(source)), data_(&data) {
  io::check_writable_prefix(job.output);
  plan();
}

Calibration::Calibration(const CalibrateJob& job, std::shared_ptr<io::CorrelationSource> source)
    : job_(job), sky_(load_sky(job.model)), source_(std::move(source)) {
  plan();
}

void Calibration::plan() {
  reference_ = reference_antenna(source_->info(), job_.reference);
  auto parts = source_->divide(job_.interval_s, kChunkVisibilities);
  check_correlations(*source_, parts, job_.solve == SolveKind::full);
  if (sky_.point_jy)
    check_one_centre(
        *source_, parts,
        fmt::format("model: {} is in one of them; split the set or give a catalogue", job_.model));
  for (auto& part : parts) units_.push_back({std::move(part), {}, -1, -1, -1});
  for (auto& unit : units_) unit.shape = shape_of(unit.rows.window);
  stokes_ = sky_.point_jy || sky_.image ? 1 : stokes_needed(sky_.components);
  solve_on(Solvers::of(job_.runtime));
}

/// The pieces are those of the units, in their order.
void Calibration::load_image(runtime::TaskSink& runtime) {
  std::vector<ImageModel::Piece> pieces;
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
  image_ = std::make_unique<ImageModel>(
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

/// In memory, the data of the intervals of a task stay until they are corrected, while those of the next one arrive.
int64_t Calibration::slots() const {
  const auto most = sizes();
  return std::min(data_ != nullptr ? std::max(kSlots, (batch_ + 1) * most.most_pieces + 2) : kSlots,
                  most.pieces);
}

/// At most as many as there are units.
int64_t Calibration::sum_buffers() const {
  const int64_t room = std::max<int64_t>(kSumBytes / sizes().sums, 1);
  return std::min({room, std::max(kSlots, 2 * batch_), static_cast<int64_t>(units_.size())});
}

void Calibration::solve_on(const Solvers& solvers) {
  const auto most = sizes();
  const auto intervals = static_cast<int64_t>(units_.size());
  int64_t room = std::min(kSumBytes / most.sums, 2 * kMostIntervals);
  if (data_ != nullptr) room = std::min(room, 2 * (kSlots / most.most_pieces - 1));
  const Shape& shape = units_.front().shape;
  const calibrate::SolveArgs one{shape, reference_, 1};
  batch_ = intervals_per_task(solvers, intervals, shape.blocks() * shape.fits(),
                              calibrate::solve_codelet().work(&one), room);
}

int64_t Calibration::bytes() const {
  const auto most = sizes();
  int64_t gains = 0;
  for (const auto& unit : units_)
    gains += unit.shape.blocks() * unit.shape.antennas * unit.shape.polarisations() * 17;
  return slots() * (most.rows * 32 + most.samples * (most.correlations * 13 + stokes_ * 8)) +
         sum_buffers() * most.sums + gains;
}

void Calibration::create(runtime::TaskSink& runtime) {
  ring_.clear();
  sums_.clear();
  waiting_.clear();
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
    Slot slot{create_buffers(runtime, rows, samples, correlations)};
    slot.model = runtime.create({"model", padded(samples * stokes_ * 8), 0});
    slot.count = runtime.create({"count", 64, 0});
    ring_.push_back(slot);
  }
  const int64_t side_by_side = sum_buffers();
  for (int64_t i = 0; i < side_by_side; ++i) sums_.push_back(runtime.create({"sums", padded(sums), 0}));
  if (sky_.image) load_image(runtime);
}

void Calibration::submit_read(runtime::TaskSink& runtime, const io::ChunkSpec& chunk, const Slot& slot,
                              int32_t number) {
  if (data_ != nullptr) {
    data_->submit_data(runtime, chunk, static_cast<size_t>(number) % ring_.size(), slot, number);
    return;
  }
  const int64_t correlations = source_->info().windows[static_cast<size_t>(chunk.window)].correlations;
  submit_read_of(runtime, access_, chunk, correlations, slot, token_, number);
}

void Calibration::submit_unit(runtime::TaskSink& runtime, size_t number_of_unit) {
  Unit& unit = units_[number_of_unit];
  const int window = unit.rows.window;
  // Windows have shapes of their own.
  if (!waiting_.empty() && units_[waiting_.front()].rows.window != window) submit_solutions(runtime);
  auto& freq = frequencies_[window];
  if (!freq)
    freq = std::make_shared<const std::vector<double>>(
        source_->info().windows[static_cast<size_t>(window)].freq_hz);
  const auto codes = std::make_shared<const std::vector<int>>(source_->correlations(window));
  const DataId sums = sums_[number_of_unit % sums_.size()];
  unit.first_piece = number_;
  for (const auto& chunk : unit.rows.chunks) {
    const int32_t number = number_++;
    const bool first = number == unit.first_piece;
    const Slot& slot = slot_of(number);
    submit_read(runtime, chunk, slot, number);
    if (image_) {
      const auto piece = static_cast<size_t>(number);
      image_->submit(runtime, piece, piece % ring_.size(), slot.uvw, slot.model, number);
    } else {
      auto& group = groups_[{window, chunk.phase_centre.ra_rad, chunk.phase_centre.dec_rad}];
      if (!group)
        group = source_groups(sky_.seen_from(chunk.phase_centre), chunk.phase_centre, *freq, stokes_);
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
  waiting_.push_back(number_of_unit);
  if (static_cast<int64_t>(waiting_.size()) >= batch_) submit_solutions(runtime);
}

void Calibration::submit_solutions(runtime::TaskSink& runtime) {
  if (waiting_.empty()) return;
  std::vector<std::pair<DataId, Access>> data;
  for (const size_t i : waiting_)
    for (const DataId id : {units_[i].gains, units_[i].valid, units_[i].outcomes})
      data.emplace_back(id, Access::write);
  for (const size_t i : waiting_) data.emplace_back(sums_[i % sums_.size()], Access::read);
  const calibrate::SolveArgs args{units_[waiting_.front()].shape, reference_,
                                  static_cast<int64_t>(waiting_.size())};
  const Unit& last = units_[waiting_.back()];
  const auto last_piece = last.first_piece + static_cast<int32_t>(last.rows.chunks.size()) - 1;
  runtime.submit(runtime::make_task(calibrate::solve_codelet(), args, std::move(data), {last_piece}, 1));
  const std::vector<size_t> solved = std::exchange(waiting_, {});
  if (data_ == nullptr) return;
  for (const size_t i : solved) {
    int32_t number = units_[i].first_piece;
    for (const auto& chunk : units_[i].rows.chunks) {
      const Slot& slot = slot_of(number);
      if (!job_.apply_column.empty()) submit_correction(runtime, units_[i], chunk, slot, number);
      data_->submit_onwards(runtime, chunk, slot, number);
      ++number;
    }
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
  auto read_piece = [&](size_t i) {
    submit_read(runtime, *pieces[i].chunk, ring_[i % ahead], static_cast<int32_t>(i));
  };
  // A ring's worth of reading comes first, so that correcting never waits for the writing of the piece before.
  for (size_t i = 0; i < std::min(ahead, pieces.size()); ++i) read_piece(i);
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
    if (i + ahead < pieces.size()) read_piece(i + ahead);
  }
}

io::GainTable Calibration::gains(const runtime::Runtime& runtime) const {
  FrequencyAxis axis;
  for (const auto& unit : units_)
    axis.add(unit.rows.window,
             block_frequencies(unit.shape,
                               source_->info().windows[static_cast<size_t>(unit.rows.window)].freq_hz));
  axis.arrange();
  const Unit& first = units_.front();
  io::GainTable table =
      empty_table(*source_, axis, first.shape, first.rows.window, first.rows.chunks.front().phase_centre);
  const auto frequencies = static_cast<int64_t>(table.freq_hz.size());
  for (const auto& unit : units_) {
    const int64_t row = unit.shape.antennas * unit.shape.polarisations();
    const auto* gain = runtime.host(unit.gains).as<const std::complex<double>>();
    const auto* valid = runtime.host(unit.valid).as<const uint8_t>();
    for (int64_t block = 0; block < unit.shape.blocks(); ++block) {
      const int64_t to = (unit.rows.interval * frequencies + axis.place(unit.rows.window, block)) * row;
      std::copy_n(gain + block * row, row, table.gains.begin() + to);
      std::copy_n(valid + block * row, row, table.valid.begin() + to);
    }
  }
  return table;
}

void Calibration::report(const runtime::Runtime& runtime) const {
  FitSummary summary;
  for (const auto& unit : units_) {
    const auto* outcomes = runtime.host(unit.outcomes).as<const Outcome>();
    for (int64_t i = 0; i < unit.shape.blocks() * unit.shape.fits(); ++i) summary.add(outcomes[i]);
  }
  summary.report(path(), fmt::format("{} intervals", source_->interval_times_s().size()),
                 calibrate::Limits().tolerance);
}

int64_t Calibration::visibilities() const {
  int64_t count = 0;
  for (const auto& unit : units_)
    for (const auto& chunk : unit.rows.chunks) count += chunk.rows * chunk.channels;
  return count;
}

}  // namespace fringeflow::graphs
