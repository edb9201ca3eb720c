// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// uvw -> simulate -> write_rows, one block of times after the other through a ring of buffers.
#include "graphs/simulate/simulate.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "codelets/write/visibilities.hpp"
#include "graphs/predict/predict.hpp"
#include "graphs/progress.hpp"
#include "io/catalogue.hpp"
#include "io/error.hpp"
#include "io/layout.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow {
namespace {

using runtime::Access;

/// Times in flight: a few for each core, fewer where runtime.memory says so. Throws UserError when one is too many.
int64_t ring_slots(const SimulateJob& job, int64_t rows, int64_t stokes, int cpus) {
  constexpr int64_t kMiB = 1 << 20;
  constexpr int64_t kProgram = 192 * kMiB;  // libraries, StarPU, scratch
  const int64_t samples = rows * job.channels, slot = rows * 24 + samples * stokes * 8;
  // What the writer converts, and casacore's tiles of it: DATA, FLAG, WEIGHT_SPECTRUM.
  const int64_t writer = 2 * samples * static_cast<int64_t>(job.correlations.size()) * (8 + 4 + 1);
  const int64_t wanted = std::min<int64_t>(job.times, 2 * cpus + 2);
  if (job.runtime.memory_bytes <= 0) return wanted;
  const int64_t fitting = (job.runtime.memory_bytes - kProgram - writer) / slot;
  if (job.runtime.memory_bytes < kProgram + writer + slot)
    throw UserError(fmt::format(
        "runtime.memory: one time of {} baselines x {} channels needs {} MiB, the limit is {}", rows,
        job.channels, (kProgram + writer + slot + kMiB - 1) / kMiB, job.runtime.memory_bytes / kMiB));
  return std::min(wanted, fitting);
}

}  // namespace

void run_simulate(const SimulateJob& job) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<io::SkyComponent> sky;
  for (const auto& source : io::read_csv_catalogue(job.sources_file)) {
    io::SkyComponent one;
    one.ra_rad = source.ra_rad;
    one.dec_rad = source.dec_rad;
    one.stokes_jy = source.stokes_jy;
    one.reference_frequency_hz = source.reference_frequency_hz;
    if (source.spectral_index != 0) one.spectral_terms = {source.spectral_index};
    sky.push_back(one);
  }
  io::NewMeasurementSet description;
  description.antennas = io::read_layout(job.layout_file, job.position_file);
  for (int64_t t = 0; t < job.times; ++t)
    description.times_s.push_back(job.start_s + (static_cast<double>(t) + 0.5) * job.interval_s);
  for (int64_t c = 0; c < job.channels; ++c)
    description.freq_hz.push_back(job.frequency_hz + static_cast<double>(c) * job.channel_width_hz);
  description.interval_s = job.interval_s;
  description.channel_width_hz = job.channel_width_hz;
  description.phase_centre = job.centre;
  description.correlations = job.correlations;
  auto writer = std::make_shared<io::SimulationWriter>(job.output, description);

  const auto freq = std::make_shared<const std::vector<double>>(description.freq_hz);
  const int64_t stokes = graphs::stokes_needed(sky);
  const auto groups = graphs::source_groups(sky, job.centre, *freq, stokes);
  const int64_t rows = writer->baselines(), channels = job.channels;

  runtime::Runtime runtime(job.runtime);
  const auto token = runtime.create({"writer", 64, 0});
  struct Slot {
    runtime::DataId uvw, vis;
  };
  std::vector<Slot> ring;
  const int64_t slots = ring_slots(job, rows, stokes, runtime.info().cpus);
  for (int64_t i = 0; i < slots; ++i)
    ring.push_back(
        {runtime.create({"uvw", rows * 24, 0}), runtime.create({"vis", rows * channels * stokes * 8, 0})});
  auto submit_uvw = [&](int64_t t) {
    runtime.submit(runtime::make_task(
        uvw_codelet(), UvwArgs{rows, [writer, t](View<double, 2> out) { writer->uvw_m(t, out); }},
        {{ring[static_cast<size_t>(t % slots)].uvw, Access::write}, {token, Access::read_write}},
        {static_cast<int32_t>(t)}, 2));
  };
  {
    const graphs::RunWatch watch(runtime, 0);
    // Coordinates of a ring's worth of times come first, so that simulation never waits for the writer of the block before.
    for (int64_t t = 0; t < slots; ++t) submit_uvw(t);
    for (int64_t t = 0; t < job.times && !runtime.failed(); ++t) {
      const auto& slot = ring[static_cast<size_t>(t % slots)];
      runtime.submit(runtime::make_task(
          simulate_codelet(), SimulateTaskArgs{rows, channels, stokes, freq, groups},
          {{slot.vis, Access::write}, {slot.uvw, Access::read}}, {static_cast<int32_t>(t)}));
      auto write = [writer, t, stokes](View<const double, 2> uvw_m, View<const std::complex<float>, 3> vis) {
        writer->write_time(t, uvw_m, stokes == 4 ? "IQUV" : "I", vis);
      };
      runtime.submit(runtime::make_task(
          write_rows_codelet(), WriteRowsArgs{rows, channels, stokes, std::move(write)},
          {{slot.vis, Access::read}, {slot.uvw, Access::read}, {token, Access::read_write}},
          {static_cast<int32_t>(t)}, 1));
      if (t + slots < job.times) submit_uvw(t + slots);
    }
    runtime.wait_all();
  }
  writer->commit();
  runtime.learn();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  spdlog::info("{}: {} rows x {} channels, {} sources, in {:.2f} s", job.output, rows * job.times, channels,
               sky.size(), seconds);
}

}  // namespace fringeflow
