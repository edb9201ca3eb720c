// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// uvw -> simulate (components) or index -> degrid (images) -> (corrupt by gains) -> write_rows, through a ring of buffers.
#include "graphs/predict/predict.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "codelets/corrupt/corrupt_tasks.hpp"
#include "codelets/read/chunk.hpp"
#include "codelets/write/visibilities.hpp"
#include "graphs/predict/image_model.hpp"
#include "graphs/progress.hpp"
#include "graphs/run_record.hpp"
#include "io/error.hpp"
#include "io/h5parm.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow {
namespace {

using runtime::Access;
using runtime::DataId;

constexpr int64_t kChunkVisibilities = int64_t{1} << 18;
constexpr size_t kSlots = 8;  ///< at most

constexpr int64_t kMiB = 1 << 20;
/// Libraries, StarPU, casacore's tiles, and scratch of a few workers.
constexpr int64_t kProgram = 256 * kMiB;

/// Throws UserError when `bytes` do not fit into runtime.memory.
void check_memory(const PredictJob& job, int64_t bytes, const std::string& what) {
  if (job.runtime.memory_bytes <= 0 || kProgram + bytes <= job.runtime.memory_bytes) return;
  throw UserError(fmt::format("runtime.memory: predicting {} needs {} MiB, the limit is {}", what,
                              (kProgram + bytes + kMiB - 1) / kMiB, job.runtime.memory_bytes / kMiB));
}

/// Rows x channels of a chunk. All chunks in flight take at most half of what runtime.memory leaves.
int64_t chunk_visibilities(const PredictJob& job, int64_t stokes) {
  if (job.runtime.memory_bytes <= 0) return kChunkVisibilities;
  // A visibility in a slot, as four correlations when gains are applied, and once as the writer converts it.
  const auto each = static_cast<int64_t>(kSlots) * (stokes * 8 + 24 + (job.gains_file.empty() ? 0 : 32)) + 64;
  return std::clamp<int64_t>((job.runtime.memory_bytes - kProgram) / 2 / each, 1 << 12, kChunkVisibilities);
}

/// One set being written: its chunks, frequencies and the token that keeps casacore to one thread.
struct Target {
  std::shared_ptr<io::ColumnWriter> writer;
  std::vector<io::ChunkSpec> chunks;
  std::map<int, std::shared_ptr<const corrupt::Instrument>> instruments;  ///< by window; none without gains
  DataId token = -1;
  std::shared_ptr<const std::vector<double>> freq_hz(const io::ChunkSpec& chunk) const {
    return std::make_shared<const std::vector<double>>(
        writer->info().windows[static_cast<size_t>(chunk.window)].freq_hz);
  }
};

/// Buffers for the chunks in flight.
struct Slot {
  DataId uvw = -1, model = -1, vis = -1;
};

class Prediction {
 public:
  explicit Prediction(const PredictJob& job);
  runtime::IoTime run(graphs::RunRecord& record);

 private:
  void load_gains();
  void submit_uvw(runtime::Runtime& runtime, const Target& target, const io::ChunkSpec& chunk,
                  const Slot& slot, int32_t number);
  void submit_write(runtime::Runtime& runtime, const Target& target, const io::ChunkSpec& chunk,
                    const Slot& slot, int32_t number);
  void predict_components(runtime::Runtime& runtime);
  void predict_image(runtime::Runtime& runtime);
  const Slot& slot_of(int32_t number) const { return ring_[static_cast<size_t>(number) % ring_.size()]; }

  const PredictJob& job_;
  io::SkyModel sky_;
  std::vector<Target> targets_;
  int64_t stokes_ = 1, chunk_bytes_ = 0;
  std::vector<Slot> ring_;
};

Prediction::Prediction(const PredictJob& job) : job_(job), sky_(io::load_sky_model(job.model_file)) {
  check_memory(job, 0, "at all");  // before a column is made
  stokes_ = sky_.image ? 1 : graphs::stokes_needed(sky_.components);
  // What is wrong with the gains is found before a column is made.
  if (!job.gains_file.empty()) io::read_h5parm(job.gains_file);
  for (const auto& path : job.ms) {
    Target target;
    target.writer = std::make_shared<io::ColumnWriter>(path, job.column);
    target.chunks = target.writer->chunks(chunk_visibilities(job, stokes_));
    targets_.push_back(std::move(target));
  }
  if (!job.gains_file.empty()) load_gains();
}

void Prediction::load_gains() {
  const io::GainTable table = io::read_h5parm(job_.gains_file);
  for (auto& target : targets_) {
    const auto& info = target.writer->info();
    for (const auto& chunk : target.chunks) {
      auto& instrument = target.instruments[chunk.window];
      if (instrument) continue;
      corrupt::Instrument one;
      one.correlations = target.writer->correlations(chunk);
      one.gains = std::make_shared<const io::GainLookup>(table, info.antennas, one.correlations,
                                                         job_.gains_file, info.path);
      one.gain_frequency = one.gains->frequencies_of(info.windows[static_cast<size_t>(chunk.window)].freq_hz);
      instrument = std::make_shared<const corrupt::Instrument>(std::move(one));
    }
  }
}

void Prediction::submit_uvw(runtime::Runtime& runtime, const Target& target, const io::ChunkSpec& chunk,
                            const Slot& slot, int32_t number) {
  auto fill = [writer = target.writer, chunk](View<double, 2> out) { writer->read_uvw(chunk, out); };
  runtime.submit(runtime::make_task(uvw_codelet(), UvwArgs{chunk.rows, std::move(fill)},
                                    {{slot.uvw, Access::write}, {target.token, Access::read_write}}, {number},
                                    2));
}

void Prediction::submit_write(runtime::Runtime& runtime, const Target& target, const io::ChunkSpec& chunk,
                              const Slot& slot, int32_t number) {
  const auto instrument = target.instruments.find(chunk.window);
  const bool corrupted = instrument != target.instruments.end();
  WriteRowsArgs args{chunk.rows, {stokes_, chunk.rows, chunk.channels}, {}};
  if (corrupted) {
    auto keys = std::make_shared<corrupt::RowKeys>();
    const auto rows = static_cast<size_t>(chunk.rows);
    keys->antennas.resize(2 * rows);
    keys->time_s.resize(rows);
    keys->time_number.resize(rows);
    target.writer->read_keys(chunk, {keys->antennas.data(), {chunk.rows, 2}},
                             {keys->time_s.data(), {chunk.rows}});
    runtime.submit(runtime::make_task(
        corrupt::corrupt_codelet(),
        corrupt::CorruptArgs{chunk.rows, chunk.channels, stokes_, instrument->second, std::move(keys)},
        {{slot.vis, Access::write}, {slot.model, Access::read}}, {number}));
    args.extents = {chunk.rows, chunk.channels,
                    static_cast<int64_t>(instrument->second->correlations.size())};
    args.write = [writer = target.writer, chunk](View<const double, 2>,
                                                 View<const std::complex<float>, 3> vis) {
      writer->write(chunk, vis);
    };
  } else {
    args.write = [writer = target.writer, chunk, stokes = stokes_](View<const double, 2>,
                                                                   View<const std::complex<float>, 3> vis) {
      writer->write(chunk, stokes == 4 ? "IQUV" : "I", vis);
    };
  }
  runtime.submit(runtime::make_task(write_rows_codelet(), std::move(args),
                                    {{corrupted ? slot.vis : slot.model, Access::read},
                                     {slot.uvw, Access::read},
                                     {target.token, Access::read_write}},
                                    {number}, 1));
}

void Prediction::predict_components(runtime::Runtime& runtime) {
  int32_t number = 0;
  for (const auto& target : targets_) {
    // Sources as one window and phase centre see them.
    std::map<std::tuple<int, double, double>, std::shared_ptr<const std::vector<SourceGroup>>> groups;
    for (const auto& chunk : target.chunks) {
      const auto& slot = slot_of(number);
      const auto freq = target.freq_hz(chunk);
      auto& group = groups[{chunk.window, chunk.phase_centre.ra_rad, chunk.phase_centre.dec_rad}];
      if (!group) group = graphs::source_groups(sky_.components, chunk.phase_centre, *freq, stokes_);
      submit_uvw(runtime, target, chunk, slot, number);
      runtime.submit(runtime::make_task(simulate_codelet(),
                                        SimulateTaskArgs{chunk.rows, chunk.channels, stokes_, freq, group},
                                        {{slot.model, Access::write}, {slot.uvw, Access::read}}, {number}));
      submit_write(runtime, target, chunk, slot, number);
      ++number;
    }
  }
}

void Prediction::predict_image(runtime::Runtime& runtime) {
  std::vector<graphs::ImageModel::Piece> pieces;
  std::vector<std::pair<const Target*, const io::ChunkSpec*>> place;
  for (const auto& target : targets_)
    for (const auto& chunk : target.chunks) {
      pieces.push_back({chunk.rows, chunk.channels, chunk.phase_centre, target.freq_hz(chunk)});
      place.emplace_back(&target, &chunk);
    }
  const graphs::ImageModel model(
      runtime, *sky_.image, job_.model_file, targets_.front().writer->info().path, job_.accuracy,
      std::move(pieces),
      [&](size_t i, View<double, 2> out) { place[i].first->writer->read_uvw(*place[i].second, out); },
      ring_.size(),
      [&](int64_t bytes) {
        check_memory(job_, chunk_bytes_ + bytes, fmt::format("from {} with its grid", job_.model_file));
      });
  spdlog::info("{}", model.choices());
  for (size_t i = 0; i < place.size(); ++i) {
    const auto& [target, chunk] = place[i];
    const auto number = static_cast<int32_t>(i);
    const auto& slot = slot_of(number);
    submit_uvw(runtime, *target, *chunk, slot, number);
    model.submit(runtime, i, i % ring_.size(), slot.uvw, slot.model, number);
    submit_write(runtime, *target, *chunk, slot, number);
  }
}

runtime::IoTime Prediction::run(graphs::RunRecord& record) {
  record.phase("planning");
  const auto start = std::chrono::steady_clock::now();
  int64_t rows = 0, samples = 0, correlated = 0, total = 0;
  for (const auto& target : targets_)
    for (const auto& chunk : target.chunks) {
      const int64_t count = chunk.rows * chunk.channels;
      rows = std::max(rows, chunk.rows);
      samples = std::max(samples, count);
      if (const auto at = target.instruments.find(chunk.window); at != target.instruments.end())
        correlated = std::max(correlated, count * static_cast<int64_t>(at->second->correlations.size()));
      total += count;
    }
  chunk_bytes_ = static_cast<int64_t>(kSlots) *
                     (padded(rows * 24) + padded(samples * stokes_ * 8) + padded(correlated * 8)) +
                 samples * 64;
  check_memory(job_, chunk_bytes_, fmt::format("chunks of {} visibilities", samples));
  const std::string prefix = graphs::run_prefix(job_.ms.front()) + "-predict";
  runtime::Runtime runtime(graphs::with_fxt_folder(job_.runtime, prefix));
  record.phase("start");
  for (auto& target : targets_) target.token = runtime.create({"set", 64, 0});
  // Few workers need few slots: every page that is not touched is time.
  for (size_t i = 0; i < std::min<size_t>(kSlots, static_cast<size_t>(2 * runtime.info().cpus + 2)); ++i) {
    Slot slot{runtime.create({"uvw", padded(rows * 24), 0}),
              runtime.create({"model", padded(samples * stokes_ * 8), 0}), -1};
    if (correlated > 0) slot.vis = runtime.create({"vis", padded(correlated * 8), 0});
    ring_.push_back(slot);
  }
  {
    const graphs::RunWatch watch(runtime, 0);
    try {
      if (sky_.image)
        predict_image(runtime);
      else
        predict_components(runtime);
      runtime.wait_all();
    } catch (const RunError& error) {
      throw RunError(
          fmt::format("{}; column {} may be filled in part: run it again", error.what(), job_.column));
    }
  }
  record.phase("graph");
  for (auto& target : targets_) target.writer->flush();
  record.phase("products");
  graphs::leave_run(prefix, job_.workflow_text, record, runtime, total);
  runtime.learn();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (const auto& path : job_.ms)
    spdlog::info("{}: column {} filled from {}", path, job_.column, job_.model_file);
  spdlog::info("{} visibilities in {:.2f} s", total, seconds);
  return runtime::io_time(runtime.timeline());
}

}  // namespace

runtime::IoTime run_predict(const PredictJob& job) {
  graphs::RunRecord record(job.runtime.trace);
  return Prediction(job).run(record);
}

}  // namespace fringeflow
