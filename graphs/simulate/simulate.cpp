// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// uvw -> (screen) -> simulate -> (corrupt) -> write_rows, one block of times after the other through a ring of buffers.
#include "graphs/simulate/simulate.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "codelets/write/visibilities.hpp"
#include "graphs/progress.hpp"
#include "graphs/run_record.hpp"
#include "graphs/simulate/emulator.hpp"
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
        rows_(emulator_.geometry().baselines()) {}
  double run(graphs::RunRecord& record);
  /// All tasks, through a ring of buffers for so many cores.
  void submit(runtime::TaskSink& sink, int cpus);
  int64_t visibilities() const { return rows_ * job_.times * job_.channels; }
  int64_t bytes(int64_t slots) const;
  int64_t ring_slots(int cpus) const;

 private:
  void submit_uvw(runtime::TaskSink& sink, int64_t time);
  void submit_time(runtime::TaskSink& sink, int64_t time);

  const SimulateJob job_;
  graphs::Emulator emulator_;
  std::shared_ptr<io::SimulationWriter> writer_;
  int64_t rows_ = 0;
  std::vector<graphs::Emulator::Buffers> ring_;
  DataId token_ = -1;
};

constexpr int64_t kMiB = 1 << 20;

/// With so many times in flight.
int64_t Simulation::bytes(int64_t slots) const {
  constexpr int64_t kProgram = 192 * kMiB;  // libraries, StarPU, scratch
  // What the writer converts, and casacore's tiles of it: DATA, FLAG, WEIGHT_SPECTRUM; and the truth of all times.
  const int64_t samples = rows_ * job_.channels,
                correlations = static_cast<int64_t>(job_.correlations.size()),
                writer = 2 * samples * correlations * (8 + 4 + 1) + emulator_.truth_bytes();
  return kProgram + writer + slots * emulator_.bytes(1).total();
}

/// Times in flight: a few for each core, fewer where runtime.memory says so. Throws UserError when one is too many.
int64_t Simulation::ring_slots(int cpus) const {
  const int64_t wanted = std::min<int64_t>(job_.times, 2 * cpus + 2);
  if (job_.runtime.memory_bytes <= 0) return wanted;
  if (job_.runtime.memory_bytes < bytes(1))
    throw UserError(
        fmt::format("runtime.memory: one time of {} baselines x {} channels needs {} MiB, the limit is {}",
                    rows_, job_.channels, (bytes(1) + kMiB - 1) / kMiB, job_.runtime.memory_bytes / kMiB));
  return std::min(wanted, (job_.runtime.memory_bytes - bytes(0)) / emulator_.bytes(1).total());
}

void Simulation::submit_uvw(runtime::TaskSink& sink, int64_t time) {
  sink.submit(runtime::make_task(
      uvw_codelet(),
      UvwArgs{rows_, [writer = writer_, time](View<double, 2> out) { writer->uvw_m(time, out); }},
      {{ring_[static_cast<size_t>(time) % ring_.size()].uvw, Access::write}, {token_, Access::read_write}},
      {static_cast<int32_t>(time)}, 2));
}

void Simulation::submit_time(runtime::TaskSink& sink, int64_t time) {
  const auto number = static_cast<int32_t>(time);
  const auto& slot = ring_[static_cast<size_t>(time) % ring_.size()];
  emulator_.submit(sink, time, 1, slot, number);
  const int64_t stokes = emulator_.stokes();
  WriteRowsArgs out{rows_, {stokes, rows_, job_.channels}, {}};
  if (emulator_.corrupts()) {
    out.extents = {rows_, job_.channels, static_cast<int64_t>(job_.correlations.size())};
    out.write = [writer = writer_, time](View<const double, 2> uvw_m,
                                         View<const std::complex<float>, 3> vis) {
      writer->write_time(time, uvw_m, vis);
    };
  } else {
    out.write = [writer = writer_, time, stokes](View<const double, 2> uvw_m,
                                                 View<const std::complex<float>, 3> vis) {
      writer->write_time(time, uvw_m, stokes == 4 ? "IQUV" : "I", vis);
    };
  }
  sink.submit(runtime::make_task(write_rows_codelet(), std::move(out),
                                 {{emulator_.corrupts() ? slot.vis : slot.model, Access::read},
                                  {slot.uvw, Access::read},
                                  {token_, Access::read_write}},
                                 {number}, 1));
}

void Simulation::submit(runtime::TaskSink& sink, int cpus) {
  token_ = sink.create({"writer", 64, 0});
  const int64_t slots = ring_slots(cpus);
  std::vector<std::pair<int64_t, int64_t>> blocks;
  for (int64_t t = 0; t < job_.times; ++t) blocks.emplace_back(t, 1);
  emulator_.begin(sink, blocks, static_cast<size_t>(slots));
  for (int64_t i = 0; i < slots; ++i) ring_.push_back(emulator_.create(sink, 1));
  // Coordinates of a ring's worth of times come first, so that simulation never waits for the writer of the block before.
  for (int64_t t = 0; t < slots; ++t) submit_uvw(sink, t);
  for (int64_t t = 0; t < job_.times && !sink.failed(); ++t) {
    submit_time(sink, t);
    if (t + slots < job_.times) submit_uvw(sink, t + slots);
  }
}

double Simulation::run(graphs::RunRecord& record) {
  record.phase("planning");
  const auto start = std::chrono::steady_clock::now();
  runtime::Runtime runtime(graphs::with_fxt_folder(job_.runtime, graphs::run_prefix(job_.output)));
  record.phase("start");
  if (emulator_.has_flags())
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
  spdlog::info("{}: {} rows x {} channels, {}, in {:.2f} s", job_.output, rows_ * job_.times, job_.channels,
               emulator_.sky_text(), seconds);
  if (emulator_.set().sigma_jy > 0)
    spdlog::info("noise of {:.4g} Jy in the real and the imaginary part of each correlation",
                 emulator_.set().sigma_jy);
  if (!truth.empty()) spdlog::info("what was put in: {}", truth);
  return runtime::io_seconds(runtime.timeline());
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

double run_simulate(const SimulateJob& job) {
  graphs::RunRecord record(job.runtime.trace);
  return Simulation(job).run(record);
}

}  // namespace fringeflow
