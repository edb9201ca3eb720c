// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// uvw -> (screen) -> simulate -> (corrupt) -> (average) -> write_rows, one block of times after the other through a ring of buffers. A
/// block is a time, or as many as the longest average has.
#include "graphs/simulate/simulate.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "codelets/average/average.hpp"
#include "codelets/write/visibilities.hpp"
#include "graphs/progress.hpp"
#include "graphs/run_record.hpp"
#include "graphs/simulate/emulator.hpp"
#include "io/averaging.hpp"
#include "io/error.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow {
namespace {

using runtime::Access;
using runtime::DataId;

class Simulation {
 public:
  /// @param writes false: its graph is recorded, and there is no set
  explicit Simulation(const SimulateJob& job, bool writes = true)
      : job_(job),
        emulator_(job_),
        writer_(writes ? std::make_shared<io::SimulationWriter>(job_.output, emulator_.set()) : nullptr),
        baselines_(emulator_.geometry().baselines()) {
    if (job_.averaging.any()) averaged_.emplace(emulator_.set().averaging, job_.times);
    for (int64_t t = 0; t < job_.times; t += block_times())
      blocks_.emplace_back(t, std::min(block_times(), job_.times - t));
  }
  runtime::IoTime run(graphs::RunRecord& record);
  /// All tasks, through a ring of buffers for so many cores.
  void submit(runtime::TaskSink& sink, int cpus);
  int64_t visibilities() const { return rows_written() * job_.channels; }
  int64_t bytes(int64_t slots) const;
  int64_t ring_slots(int cpus) const;

 private:
  struct Slot {
    graphs::Emulator::Buffers rows;
    DataId mean_vis = -1, mean_rows = -1;  ///< with averaging
  };
  /// Of [plane][row][values]: what the emulator leaves.
  struct Shape {
    int64_t planes = 1, correlations = 1;
  };
  Shape shape() const {
    if (emulator_.corrupts()) return {1, static_cast<int64_t>(job_.correlations.size())};
    return {emulator_.stokes(), 1};
  }
  int64_t block_times() const { return averaged_ ? averaged_->block_times() : 1; }
  int64_t rows_written() const { return averaged_ ? averaged_->rows() : baselines_ * job_.times; }
  /// Of the averages of a block, at most: all its rows.
  int64_t mean_vis_bytes() const {
    return baselines_ * block_times() * job_.channels * shape().planes * shape().correlations * 8;
  }
  int64_t mean_rows_bytes() const {
    return baselines_ * block_times() * (average::kRowColumns + job_.channels) * 8;
  }
  int64_t slot_bytes() const {
    return emulator_.bytes(block_times()).total() + (averaged_ ? mean_vis_bytes() + mean_rows_bytes() : 0);
  }
  void submit_uvw(runtime::TaskSink& sink, int64_t block);
  void submit_block(runtime::TaskSink& sink, int64_t block);
  void submit_average(runtime::TaskSink& sink, int64_t block, int64_t times);
  io::RowBlock rows_of(const std::vector<io::AveragedRow>& bins, View<const double, 2> rows) const;
  Slot& slot(int64_t block) { return ring_[static_cast<size_t>(block) % ring_.size()]; }

  const SimulateJob job_;
  graphs::Emulator emulator_;
  std::shared_ptr<io::SimulationWriter> writer_;
  int64_t baselines_ = 0;
  std::optional<io::AveragedRows> averaged_;
  std::vector<std::pair<int64_t, int64_t>> blocks_;  ///< first time and times
  std::vector<Slot> ring_;
  DataId token_ = -1;
};

constexpr int64_t kMiB = 1 << 20;

/// With so many blocks in flight.
int64_t Simulation::bytes(int64_t slots) const {
  constexpr int64_t kProgram = 192 * kMiB;  // libraries, StarPU, scratch
  // What the writer converts, and casacore's tiles of it: DATA, FLAG, WEIGHT_SPECTRUM; and the truth of all times.
  const int64_t samples = baselines_ * block_times() * job_.channels,
                correlations = static_cast<int64_t>(job_.correlations.size()),
                writer = 2 * samples * correlations * (8 + 4 + 1) + emulator_.truth_bytes();
  return kProgram + writer + slots * slot_bytes();
}

/// Blocks in flight: a few times for each core, fewer where runtime.memory says so. Throws UserError when one is too many.
int64_t Simulation::ring_slots(int cpus) const {
  const int64_t times = block_times();
  const int64_t wanted =
      std::min<int64_t>(static_cast<int64_t>(blocks_.size()), times == 1 ? 2 * cpus + 2 : cpus + 2);
  if (job_.runtime.memory_bytes <= 0) return wanted;
  if (job_.runtime.memory_bytes < bytes(1))
    throw UserError(
        fmt::format("runtime.memory: {} of {} baselines x {} channels need{} {} MiB, the limit is {}",
                    times == 1 ? "one time" : fmt::format("{} times", times), baselines_, job_.channels,
                    times == 1 ? "s" : "", (bytes(1) + kMiB - 1) / kMiB, job_.runtime.memory_bytes / kMiB));
  return std::min(wanted, (job_.runtime.memory_bytes - bytes(0)) / slot_bytes());
}

void Simulation::submit_uvw(runtime::TaskSink& sink, int64_t block) {
  const auto [time, times] = blocks_[static_cast<size_t>(block)];
  sink.submit(runtime::make_task(
      uvw_codelet(),
      UvwArgs{baselines_ * times,
              [writer = writer_, time = time, times = times, rows = baselines_](View<double, 2> out) {
                for (int64_t t = 0; t < times; ++t) writer->uvw_m(time + t, {&out(t * rows, 0), {rows, 3}});
              }},
      {{slot(block).rows.uvw, Access::write}, {token_, Access::read_write}}, {static_cast<int32_t>(block)},
      2));
}

/// What the set says of averages, but for their visibilities.
io::RowBlock Simulation::rows_of(const std::vector<io::AveragedRow>& bins, View<const double, 2> rows) const {
  const auto& set = emulator_.set();
  const auto& pairs = emulator_.geometry().pairs();
  const auto correlations = static_cast<size_t>(job_.correlations.size());
  io::RowBlock block;
  block.uvw_m = rows;
  for (size_t i = 0; i < bins.size(); ++i) {
    const auto& [p, q] = pairs[static_cast<size_t>(bins[i].baseline)];
    block.antennas.insert(block.antennas.end(), {p, q});
    const double* row = &rows(static_cast<int64_t>(i), 0);
    block.time_s.push_back(set.times_s[static_cast<size_t>(bins[i].begin)] +
                           (bins[i].count - 1) * set.interval_s / 2);
    block.centroid_s.push_back(set.times_s.front() + row[3] * set.interval_s);
    block.interval_s.push_back(bins[i].count * set.interval_s);
    block.exposure_s.push_back(row[4] * set.interval_s);
    for (int64_t c = 0; c < job_.channels; ++c) {
      const double samples = row[average::kRowColumns + c];
      if (emulator_.has_flags())
        block.flag.insert(block.flag.end(), correlations, samples > 0 ? uint8_t{0} : uint8_t{1});
      // A flagged mean is one of all samples.
      block.samples.push_back(samples > 0 ? static_cast<float>(samples) : static_cast<float>(bins[i].count));
    }
  }
  return block;
}

void Simulation::submit_average(runtime::TaskSink& sink, int64_t block, int64_t times) {
  const auto bins = std::make_shared<const std::vector<io::AveragedRow>>(averaged_->block(block));
  average::AverageArgs args{bins,
                            blocks_[static_cast<size_t>(block)].first,
                            times,
                            baselines_,
                            job_.channels,
                            shape().planes,
                            shape().correlations,
                            {},
                            static_cast<int64_t>(job_.correlations.size())};
  if (emulator_.has_flags())
    args.flags = [this](int64_t time, int64_t count, uint8_t* flag) { emulator_.flags(time, count, flag); };
  const Slot& at = slot(block);
  sink.submit(runtime::make_task(average::average_codelet(), std::move(args),
                                 {{at.mean_vis, Access::write},
                                  {at.mean_rows, Access::write},
                                  {emulator_.corrupts() ? at.rows.vis : at.rows.model, Access::read},
                                  {at.rows.uvw, Access::read}},
                                 {static_cast<int32_t>(block)}));
}

void Simulation::submit_block(runtime::TaskSink& sink, int64_t block) {
  const auto [time, times] = blocks_[static_cast<size_t>(block)];
  const auto number = static_cast<int32_t>(block);
  const Slot& at = slot(block);
  emulator_.submit(sink, time, times, at.rows, number);
  const std::string stokes = emulator_.corrupts() ? "" : emulator_.stokes() == 4 ? "IQUV" : "I";
  WriteRowsArgs out{baselines_ * times, {}, {}};
  DataId vis = emulator_.corrupts() ? at.rows.vis : at.rows.model, rows = at.rows.uvw;
  if (averaged_) {
    submit_average(sink, block, times);
    vis = at.mean_vis;
    rows = at.mean_rows;
    const auto bins = averaged_->block(block);
    out.rows = static_cast<int64_t>(bins.size());
    out.columns = average::kRowColumns + job_.channels;
    out.write = [this, stokes, bins, first = averaged_->first_row(block)](
                    View<const double, 2> means, View<const std::complex<float>, 3> values) {
      auto made = rows_of(bins, means);
      if (!stokes.empty()) return writer_->write_rows(first, std::move(made), stokes, values);
      made.vis = values;
      writer_->write_rows(first, made);
    };
  } else {
    out.write = [writer = writer_, stokes, time = time](View<const double, 2> uvw_m,
                                                        View<const std::complex<float>, 3> values) {
      if (stokes.empty())
        writer->write_time(time, uvw_m, values);
      else
        writer->write_time(time, uvw_m, stokes, values);
    };
  }
  if (stokes.empty())
    out.extents = {out.rows, job_.channels, shape().correlations};
  else
    out.extents = {shape().planes, out.rows, job_.channels};
  sink.submit(runtime::make_task(write_rows_codelet(), std::move(out),
                                 {{vis, Access::read}, {rows, Access::read}, {token_, Access::read_write}},
                                 {number}, 1));
}

void Simulation::submit(runtime::TaskSink& sink, int cpus) {
  token_ = sink.create({"writer", 64, 0});
  const auto blocks = static_cast<int64_t>(blocks_.size());
  const int64_t slots = ring_slots(cpus);
  emulator_.begin(sink, blocks_, static_cast<size_t>(slots));
  for (int64_t i = 0; i < slots; ++i) {
    Slot one{emulator_.create(sink, block_times())};
    if (averaged_) {
      one.mean_vis = sink.create({"averages", mean_vis_bytes(), 0});
      one.mean_rows = sink.create({"averaged rows", mean_rows_bytes(), 0});
    }
    ring_.push_back(one);
  }
  // Coordinates of a ring's worth of blocks come first, so that simulation never waits for the writer of the block before.
  for (int64_t b = 0; b < slots; ++b) submit_uvw(sink, b);
  for (int64_t b = 0; b < blocks && !sink.failed(); ++b) {
    submit_block(sink, b);
    if (b + slots < blocks) submit_uvw(sink, b + slots);
  }
}

runtime::IoTime Simulation::run(graphs::RunRecord& record) {
  record.phase("planning");
  const auto start = std::chrono::steady_clock::now();
  runtime::Runtime runtime(graphs::with_fxt_folder(job_.runtime, graphs::run_prefix(job_.output)));
  record.phase("start");
  if (emulator_.has_flags() && !averaged_)
    writer_->flag_with([this](int64_t time, uint8_t* flag) { emulator_.flags(time, 1, flag); });
  {
    const graphs::RunWatch watch(runtime, 0);
    submit(runtime, runtime.info().cpus);
    runtime.wait_all();
  }
  record.phase("graph");
  const std::string truth = emulator_.write_truth();
  writer_->commit();
  record.phase("products");
  graphs::leave_run(graphs::run_prefix(job_.output), job_.workflow_text, record, runtime, visibilities());
  runtime.learn();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  spdlog::info("{}: {} rows x {} channels, {}, in {:.2f} s", job_.output, rows_written(), job_.channels,
               emulator_.sky_text(), seconds);
  if (averaged_)
    spdlog::info("averaged over up to {:g} s: {:.1f} times fewer rows than integrations",
                 static_cast<double>(block_times()) * job_.interval_s,
                 static_cast<double>(baselines_ * job_.times) / static_cast<double>(rows_written()));
  if (emulator_.set().sigma_jy > 0)
    spdlog::info("noise of {:.4g} Jy in the real and the imaginary part of each correlation{}",
                 emulator_.set().sigma_jy, averaged_ ? " and integration" : "");
  if (!truth.empty()) spdlog::info("what was put in: {}", truth);
  return runtime::io_time(runtime.timeline());
}

}  // namespace

namespace graphs {

RecordedFacts record_simulation(const SimulateJob& job, runtime::TaskSink& sink) {
  auto simulation = std::make_shared<Simulation>(job, false);
  const int cpus = std::max(job.runtime.cpus, 1);
  simulation->submit(sink, cpus);
  return {simulation->visibilities(), simulation->bytes(simulation->ring_slots(cpus)), simulation};
}

}  // namespace graphs

runtime::IoTime run_simulate(const SimulateJob& job) {
  graphs::RunRecord record(job.runtime.trace);
  return Simulation(job).run(record);
}

}  // namespace fringeflow
