// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// For each block of times: uvw -> (screen) -> simulate -> (corrupt or to_correlations), then, for those of a solution interval,
/// accumulate -> solve -> apply_gains, then to_stokes into the chunk that is imaged.
#include "graphs/pipeline/pipeline.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "codelets/handover/handover.hpp"
#include "codelets/write/visibilities.hpp"
#include "graphs/calibrate/calibrate.hpp"
#include "graphs/imaging/chunk_feed.hpp"
#include "graphs/imaging/imaging.hpp"
#include "graphs/imaging/imaging_graph.hpp"
#include "graphs/imaging/imaging_plan.hpp"
#include "graphs/pipeline/emulated_data.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow {
namespace {

using graphs::CalibrationBuffers;
using graphs::EmulatedData;
using graphs::Emulator;
using runtime::Access;
using runtime::DataId;
using runtime::TaskSink;

/// Of a block of times.
constexpr int64_t kBlockVisibilities = int64_t{1} << 17;
/// Blocks in flight where no calibration needs more.
constexpr int64_t kSlots = 8;

class EmulatedChunks final : public graphs::ChunkFeed, private graphs::CalibrationData {
 public:
  /// @param wait_for_flags weights are known only when calibration has flagged what it cannot correct
  EmulatedChunks(const PipelineJob& job, bool wait_for_flags);

  std::shared_ptr<io::VisibilitySource> source() override { return data_; }
  int64_t bytes() const override;
  bool weights_known() const override { return !wait_for_flags_; }
  void begin(TaskSink& sink, const graphs::ImagingPlan& plan, const std::vector<DataId>& chunks,
             std::shared_ptr<ReadCounters> counters) override;
  void submit_weights(TaskSink& sink, size_t chunk) override;
  void submit_visibilities(TaskSink& sink, size_t chunk) override;
  void finish(const runtime::Runtime& runtime) override;
  nlohmann::json metrics(const runtime::Timeline& timeline, double makespan_s) const override;

 private:
  /// Buffers of a block besides those that the calibrator has.
  struct Slot {
    DataId uvw = -1, tec = -1, model = -1, vis = -1;
  };
  void submit_data(TaskSink& sink, const io::ChunkSpec& piece, size_t slot, const CalibrationBuffers& buffers,
                   int32_t number) override;
  void submit_onwards(TaskSink& sink, const io::ChunkSpec& piece, const CalibrationBuffers& buffers,
                      int32_t number) override;
  void emulate(TaskSink& sink, size_t block, const Emulator::Buffers& buffers, DataId vis, int32_t number);
  void hand_over(TaskSink& sink, size_t block, DataId uvw, DataId vis, DataId flag, int32_t number);
  int64_t slots() const;
  /// Of the longest block.
  int64_t rows() const { return data_->longest_block() * emulator_->geometry().baselines(); }
  int64_t vis_bytes() const;

  PipelineJob job_;
  bool wait_for_flags_;
  std::shared_ptr<Emulator> emulator_;
  std::shared_ptr<EmulatedData> data_;
  std::shared_ptr<const std::vector<int>> codes_;
  std::unique_ptr<graphs::CalibrationInMemory> calibration_;

  // Of the graph that is being made.
  const graphs::ImagingPlan* plan_ = nullptr;
  std::vector<DataId> chunks_;
  std::vector<bool> begun_;  ///< [chunk]: something is in its buffer
  std::vector<Slot> ring_;
  std::shared_ptr<const handover::Samples> samples_;
  size_t next_unit_ = 0;
  std::set<int64_t> simulation_;  ///< tickets of the emulator's tasks
};

/// Passes tasks on and keeps their tickets.
class Noting final : public TaskSink {
 public:
  Noting(TaskSink& sink, std::set<int64_t>& tickets) : sink_(sink), tickets_(tickets) {}
  DataId create(runtime::DataSpec spec) override { return sink_.create(std::move(spec)); }
  int64_t submit(runtime::Task task) override {
    return *tickets_.insert(sink_.submit(std::move(task))).first;
  }
  bool wait(int64_t ticket) override { return sink_.wait(ticket); }
  bool failed() const override { return sink_.failed(); }

 private:
  TaskSink& sink_;
  std::set<int64_t>& tickets_;
};

EmulatedChunks::EmulatedChunks(const PipelineJob& job, bool wait_for_flags)
    : job_(job),
      wait_for_flags_(wait_for_flags),
      emulator_(std::make_shared<Emulator>(job.simulate)),
      data_(std::make_shared<EmulatedData>(emulator_, job.simulate.output, true)) {
  codes_ = std::make_shared<const std::vector<int>>(emulator_->geometry().correlations());
  if (job_.calibrate) {
    job_.calibrate->runtime = job_.runtime;
    calibration_ = std::make_unique<graphs::CalibrationInMemory>(
        *job_.calibrate, data_, static_cast<graphs::CalibrationData&>(*this));
  } else {
    data_->divide(0, kBlockVisibilities);
  }
}

int64_t EmulatedChunks::slots() const {
  return calibration_ ? calibration_->slots()
                      : std::min<int64_t>(kSlots, static_cast<int64_t>(data_->blocks().size()));
}

int64_t EmulatedChunks::vis_bytes() const {
  return rows() * static_cast<int64_t>(emulator_->set().freq_hz.size() * codes_->size()) * 8;
}

int64_t EmulatedChunks::bytes() const {
  const auto own = emulator_->bytes(data_->longest_block());
  return emulator_->truth_bytes() + slots() * (own.tec + own.model) +
         (calibration_ ? calibration_->bytes() : slots() * (own.uvw + vis_bytes()));
}

void EmulatedChunks::begin(TaskSink& sink, const graphs::ImagingPlan& plan, const std::vector<DataId>& chunks,
                           std::shared_ptr<ReadCounters> counters) {
  plan_ = &plan;
  chunks_ = chunks;
  begun_.assign(chunks.size(), false);
  std::vector<io::ChunkSpec> specs;
  for (const auto& chunk : plan.chunks) specs.push_back(chunk.spec);
  data_->assign(specs);
  next_unit_ = 0;
  simulation_.clear();
  auto samples = std::make_shared<handover::Samples>();
  for (const char stokes : plan.job.image.stokes) {
    const auto term = io::stokes_term(stokes, *codes_);
    if (!term)
      throw UserError(fmt::format("stokes: {} cannot be formed from the correlations {} that are simulated",
                                  stokes, io::correlation_names(*codes_)));
    samples->terms.push_back(*term);
  }
  const double sigma_jy = emulator_->set().sigma_jy;
  const auto sigma = static_cast<float>(sigma_jy > 0 ? sigma_jy : 1);
  samples->weight.assign(codes_->size(), 1 / (sigma * sigma));
  samples->counters = std::move(counters);
  if (emulator_->has_flags())
    samples->flags = [emulator = emulator_](int64_t time, int64_t times, uint8_t* flag) {
      emulator->flags(time, times, flag);
    };
  samples->density_is_known = plan.density_ahead && plan.needs_density();
  samples_ = samples;

  std::vector<std::pair<int64_t, int64_t>> blocks;
  for (const auto& block : data_->blocks()) blocks.emplace_back(block.time, block.times);
  emulator_->begin(sink, blocks, static_cast<size_t>(slots()));
  ring_.clear();
  const auto bytes = emulator_->bytes(data_->longest_block());
  const int64_t count = slots();
  for (int64_t i = 0; i < count; ++i) {
    Slot slot;
    slot.model = sink.create({"simulated", bytes.model, 0});
    if (bytes.tec > 0) slot.tec = sink.create({"tec", bytes.tec, 0});
    if (!calibration_) {
      slot.uvw = sink.create({"uvw", bytes.uvw, 0});
      slot.vis = sink.create({"vis", vis_bytes(), 0});
    }
    ring_.push_back(slot);
  }
  if (calibration_) calibration_->create(sink);
}

void EmulatedChunks::submit_weights(TaskSink& sink, size_t chunk) {
  const auto& planned = plan_->chunks[chunk];
  sink.submit(runtime::make_task(
      handover::geometry_codelet(),
      handover::GeometryArgs{
          planned.layout,
          samples_,
          {planned.spec.row_ranges.front().first / emulator_->geometry().baselines(),
           planned.spec.rows / emulator_->geometry().baselines()},
          planned.spec.order,
          [data = data_, spec = planned.spec](View<double, 2> out) { data->read_uvw(spec, out); }},
      {{chunks_[chunk], Access::write}}, {static_cast<int32_t>(chunk)}, 10));
  begun_[chunk] = true;
}

/// The visibilities of a block, as they would be in DATA.
void EmulatedChunks::emulate(TaskSink& sink, size_t block, const Emulator::Buffers& buffers, DataId vis,
                             int32_t number) {
  const auto& [time, times, interval, chunk, chunk_row] = data_->blocks()[block];
  const int64_t count = times * emulator_->geometry().baselines();
  sink.submit(runtime::make_task(uvw_codelet(),
                                 UvwArgs{count, [data = data_, time = time, times = times](
                                                    View<double, 2> out) { data->uvw(time, times, out); }},
                                 {{buffers.uvw, Access::write}}, {number}, 2));
  Noting noting(sink, simulation_);
  emulator_->submit(noting, time, times, buffers, number);
  if (!emulator_->corrupts())
    noting.submit(runtime::make_task(
        handover::to_correlations_codelet(),
        handover::ToCorrelationsArgs{count, static_cast<int64_t>(emulator_->set().freq_hz.size()),
                                     emulator_->stokes(), codes_},
        {{vis, Access::write}, {buffers.model, Access::read}}, {number}, 1));
}

void EmulatedChunks::hand_over(TaskSink& sink, size_t block, DataId uvw, DataId vis, DataId flag,
                               int32_t number) {
  const auto& of = data_->blocks()[block];
  std::vector<std::pair<DataId, Access>> data{
      {chunks_[of.chunk], begun_[of.chunk] ? Access::read_write : Access::write},
      {uvw, Access::read},
      {vis, Access::read}};
  begun_[of.chunk] = true;
  if (flag >= 0) data.emplace_back(flag, Access::read);
  sink.submit(runtime::make_task(handover::to_stokes_codelet(),
                                 handover::ToStokesArgs{plan_->chunks[of.chunk].layout,
                                                        of.chunk_row,
                                                        of.times * emulator_->geometry().baselines(),
                                                        samples_,
                                                        {of.time, of.times},
                                                        plan_->chunks[of.chunk].spec.order,
                                                        flag >= 0},
                                 std::move(data), {number}, 9));
}

void EmulatedChunks::submit_data(TaskSink& sink, const io::ChunkSpec& piece, size_t slot,
                                 const CalibrationBuffers& buffers, int32_t number) {
  emulate(sink, data_->block_of(piece), {buffers.uvw, ring_[slot].tec, ring_[slot].model, buffers.vis},
          buffers.vis, number);
  const auto& window = data_->info().windows.front();
  handover::CalibrationRowsArgs args;
  args.rows = piece.rows;
  args.freq_hz = std::make_shared<const std::vector<double>>(window.freq_hz);
  args.samples = samples_;
  const auto& of = data_->blocks()[data_->block_of(piece)];
  args.times = {of.time, of.times};
  args.uv_m = job_.calibrate->uv_m;
  args.uv_lambda = job_.calibrate->uv_lambda;
  args.pairs = std::make_shared<const std::vector<int32_t>>(emulator_->geometry().baseline_antennas());
  sink.submit(runtime::make_task(handover::calibration_rows_codelet(), std::move(args),
                                 {{buffers.antennas, Access::write},
                                  {buffers.weight, Access::write},
                                  {buffers.flag, Access::write},
                                  {buffers.uvw, Access::read}},
                                 {number}, 1));
}

void EmulatedChunks::submit_onwards(TaskSink& sink, const io::ChunkSpec& piece,
                                    const CalibrationBuffers& buffers, int32_t number) {
  hand_over(sink, data_->block_of(piece), buffers.uvw, buffers.vis, buffers.flag, number);
}

void EmulatedChunks::submit_visibilities(TaskSink& sink, size_t chunk) {
  const auto& blocks = data_->blocks();
  if (calibration_) {
    // An interval may reach into later chunks: it is submitted whole.
    const auto first_chunk = [&](size_t unit) {
      return std::find_if(blocks.begin(), blocks.end(),
                          [&](const auto& block) { return block.interval == static_cast<int64_t>(unit); })
          ->chunk;
    };
    for (; next_unit_ < calibration_->units() && first_chunk(next_unit_) <= chunk && !sink.failed();
         ++next_unit_)
      calibration_->submit(sink, next_unit_);
    calibration_->submit_solutions(sink);
    return;
  }
  for (size_t block = 0; block < blocks.size() && !sink.failed(); ++block) {
    if (blocks[block].chunk != chunk) continue;
    const Slot& slot = ring_[block % ring_.size()];
    const auto number = static_cast<int32_t>(block);
    emulate(sink, block, {slot.uvw, slot.tec, slot.model, slot.vis}, slot.vis, number);
    hand_over(sink, block, slot.uvw, slot.vis, -1, number);
  }
}

void EmulatedChunks::finish(const runtime::Runtime& runtime) {
  if (calibration_) calibration_->finish(runtime);
  if (const auto truth = emulator_->write_truth(); !truth.empty()) spdlog::info("what was put in: {}", truth);
}

/// Share of the time with one of `tasks` running during which another computes.
double hidden_share(const runtime::Timeline& timeline, const std::set<int64_t>& tasks) {
  struct Edge {
    double at;
    int simulating, processing;
  };
  std::vector<Edge> edges;
  for (const auto& task : timeline.tasks) {
    if (task.codelet->role != runtime::Role::compute) continue;
    const int simulating = tasks.contains(task.id) ? 1 : 0;
    edges.push_back({task.start_s, simulating, 1 - simulating});
    edges.push_back({task.end_s, -simulating, simulating - 1});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });
  double under = 0, hidden = 0, last = 0;
  int simulating = 0, processing = 0;
  for (const auto& edge : edges) {
    if (simulating > 0) under += edge.at - last;
    if (simulating > 0 && processing > 0) hidden += edge.at - last;
    last = edge.at;
    simulating += edge.simulating;
    processing += edge.processing;
  }
  return under > 0 ? hidden / under : 0;
}

nlohmann::json EmulatedChunks::metrics(const runtime::Timeline& timeline, double makespan_s) const {
  double simulation_s = 0, compute_s = 0;
  for (const auto& task : timeline.tasks) {
    if (task.codelet->role != runtime::Role::compute) continue;
    compute_s += task.end_s - task.start_s;
    if (simulation_.contains(task.id)) simulation_s += task.end_s - task.start_s;
  }
  const int64_t set = static_cast<int64_t>(emulator_->geometry().set_bytes()),
                cells = data_->info().rows * data_->info().windows.front().channel_end *
                        static_cast<int64_t>(codes_->size()),
                corrected = calibration_ && job_.corrected ? cells * 8 : 0;
  return {{"mode", "memory"},
          {"makespan_s", makespan_s},
          {"simulation_core_s", simulation_s},
          {"processing_core_s", compute_s - simulation_s},
          {"simulation_hidden", hidden_share(timeline, simulation_)},
          {"bytes_not_written", set + corrected}};
}

ImagingJob imaging_of(const PipelineJob& job) {
  ImagingJob imaging = job.imaging;
  imaging.runtime = job.runtime;
  imaging.workflow_text = job.workflow_text;
  imaging.command_line = job.command_line;
  return imaging;
}

}  // namespace

void run_pipeline(const PipelineJob& job) {
  const ImagingJob imaging = imaging_of(job);
  try {
    EmulatedChunks chunks(job, false);
    run_imaging(imaging, chunks);
    return;
  } catch (const handover::DensityChanged&) {
    spdlog::info(
        "calibration flags data: the density of weights, known ahead from the geometry, is made again after "
        "calibration");
  }
  EmulatedChunks chunks(job, true);
  run_imaging(imaging, chunks);
}

std::string plan_pipeline(const PipelineJob& job, bool json) {
  EmulatedChunks chunks(job, false);
  return plan_imaging(imaging_of(job), json, &chunks);
}

std::string graph_pipeline(const PipelineJob& job, const std::string& format, const std::string& level) {
  EmulatedChunks chunks(job, false);
  return graph_imaging(imaging_of(job), format, level, &chunks);
}

namespace graphs {

struct RecordedPipeline::Impl {
  explicit Impl(const PipelineJob& the_job) : job(the_job), chunks(job, false) {}
  PipelineJob job;
  EmulatedChunks chunks;
  ImagingPlan plan;
};

RecordedPipeline::RecordedPipeline(const PipelineJob& job, runtime::TaskSink& sink, int cycles)
    : impl_(std::make_unique<Impl>(job)) {
  impl_->plan = plan_imaging_job(imaging_of(impl_->job), &impl_->chunks);
  record_graph(impl_->plan, sink, cycles, &impl_->chunks);
}
RecordedPipeline::~RecordedPipeline() = default;
const ImagingPlan& RecordedPipeline::plan() const { return impl_->plan; }

}  // namespace graphs

}  // namespace fringeflow
