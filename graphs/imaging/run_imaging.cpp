// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <unistd.h>

#include <cmath>

#include "codelets/handover/handover.hpp"
#include "codelets/restore/restore_tasks.hpp"
#include "fringeflow_version.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/common/cuda_worker.hpp"
#endif
#include "graphs/imaging/imaging.hpp"
#include "graphs/imaging/imaging_graph.hpp"
#include "graphs/progress.hpp"
#include "graphs/recorder.hpp"
#include "graphs/run_log.hpp"
#include "graphs/run_record.hpp"
#include "io/catalogue.hpp"
#include "io/error.hpp"
#include "io/interrupt.hpp"
#include "io/run_directory.hpp"
#include "runtime/machine.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow {
namespace {

using graphs::ImagingGraph;
using graphs::ImagingPlan;

double arcsec(double rad) { return rad * 180 / M_PI * 3600; }

std::string duration_text(double seconds) {
  return seconds < 120 ? fmt::format("{:.2f} s", seconds)
                       : fmt::format("{:.0f} min {:.0f} s", std::floor(seconds / 60), std::fmod(seconds, 60));
}

/// The list of components as WSClean writes it, and models of scales as Gaussians.
void write_components(const ImagingPlan& plan, const ImagingGraph& graph, io::Products& products) {
  const io::ImageGrid grid(plan.centre, plan.geometry.cell_rad, plan.geometry.nx, plan.geometry.ny);
  std::vector<io::SkyComponent> list;
  const auto& minor = plan.minor;
  double reference_hz = 0;
  for (const auto& channel : plan.channels)
    reference_hz += channel.centre_hz / static_cast<double>(plan.channels.size());
  for (int64_t p = 0; p < plan.stokes(); ++p) {
    const char stokes = plan.job.image.stokes[static_cast<size_t>(p)];
    const size_t index = std::string("IQUV").find(stokes);
    for (const auto& component : graph.components(static_cast<size_t>(p))->merged()) {
      const auto direction = grid.direction_at(component.x, component.y);
      if (!direction) continue;
      io::SkyComponent one;
      one.name = fmt::format("s{}c{}", component.scale, list.size());
      one.ra_rad = direction->ra_rad;
      one.dec_rad = direction->dec_rad;
      double flux = 0;
      for (const float f : component.flux)
        flux += static_cast<double>(f) / static_cast<double>(component.flux.size());
      one.stokes_jy[index] = flux;
      one.reference_frequency_hz = reference_hz;
      // The tapered quadratic of diameter a has about the second moment of a Gaussian of this width (Offringa & Smirnov 2017).
      if (component.scale > 0)
        one.major_rad = one.minor_rad =
            0.45 * static_cast<double>(minor.scale_pixels[static_cast<size_t>(component.scale)]) *
            plan.geometry.cell_rad;
      list.push_back(std::move(one));
    }
  }
  io::write_components(plan.job.write.prefix + "-sources.txt", list, reference_hz, &products);
}

struct Headline {
  double peak = 0, sigma = 0;
  int64_t x = 0, y = 0;
};
Headline headline(const ImagingPlan& plan, const float* image, const float* residual) {
  Headline result;
  const int64_t n = plan.geometry.nx * plan.geometry.ny;
  int64_t at = -1;
  for (int64_t i = 0; i < n; ++i)
    if (std::isfinite(image[i]) && (at < 0 || image[i] > image[at])) at = i;
  if (at >= 0) result = {static_cast<double>(image[at]), 0, at % plan.geometry.nx, at / plan.geometry.nx};
  const View<const float, 2> view(residual, {plan.geometry.ny, plan.geometry.nx});
  const float one = 1;
  const deconvolve::Image images[] = {view};
  result.sigma = deconvolve::robust_statistics(images, std::span<const float>(&one, 1)).sigma;
  return result;
}

/// The five lines that end a run.
std::string closing_lines(const ImagingPlan& plan, const ImagingGraph& graph, const runtime::Runtime& runtime,
                          const io::Products& products, nlohmann::json& metrics) {
  const double seconds = metrics["time_s"];
  const auto top = headline(plan, runtime.host(graph.headline_image()).as<const float>(),
                            runtime.host(graph.headline_residual()).as<const float>());
  std::string text;
  std::string beam = "none (not fitted)";
  if (!graph.beams().empty()) {
    const auto& block = *runtime.host(graph.beams().back()).as<const restore::BeamBlock>();
    if (block.known != 0) {
      const auto sky = restore::on_sky(block.beam, plan.geometry.cell_rad);
      beam = fmt::format("{:.4g}\" x {:.4g}\", position angle {:.1f} deg", arcsec(sky.major_rad),
                         arcsec(sky.minor_rad), sky.angle_rad * 180 / M_PI);
      metrics["beam_major_asec"] = arcsec(sky.major_rad);
      metrics["beam_minor_asec"] = arcsec(sky.minor_rad);
    }
  }
  const io::ImageGrid grid(plan.centre, plan.geometry.cell_rad, plan.geometry.nx, plan.geometry.ny);
  const auto direction = grid.direction_at(static_cast<double>(top.x), static_cast<double>(top.y));
  const auto total = graph.counters()->total();
  const auto beyond = graph.counters()->beyond_grid();
  const auto peak_memory = metrics["peak_memory_bytes"].get<int64_t>();
  const auto payload = static_cast<double>(std::max<int64_t>(total.bytes, 1));
  const double share = 100.0 / static_cast<double>(std::max<int64_t>(total.visibilities, 1));
  text += fmt::format("beam          {}\n", beam);
  text += fmt::format("noise, peak   {:.4g} Jy/beam (robust), {:.4g} Jy/beam at pixel {}, {}{}\n", top.sigma,
                      top.peak, top.x, top.y,
                      direction ? fmt::format(" ({} {})", io::format_ra(direction->ra_rad),
                                              io::format_dec(direction->dec_rad))
                                : "");
  text +=
      fmt::format("visibilities  {} used, {} flagged ({:.1f} %), {} beyond the grid ({:.1f} %)\n",
                  total.visibilities - total.flagged - beyond, total.flagged,
                  static_cast<double>(total.flagged) * share, beyond, static_cast<double>(beyond) * share);
  text += fmt::format(
      "time, memory  {}, {:.3g} Mvis/s; peak {:.0f} MiB of {:.0f} planned (limit {:.0f}); {}{}\n",
      duration_text(seconds), static_cast<double>(total.visibilities) * 1e-6 / seconds,
      static_cast<double>(peak_memory) / (1 << 20), static_cast<double>(plan.memory.total()) / (1 << 20),
      static_cast<double>(plan.memory.budget) / (1 << 20),
      plan.reads()
          ? fmt::format("columns read {:.2f} times", static_cast<double>(graph.counters()->bytes()) / payload)
          : "nothing read",
      plan.memory.cache_bytes > 0
          ? fmt::format(", their copy on disk {:.2f} times", static_cast<double>(graph.cache_bytes_read()) /
                                                                 static_cast<double>(plan.memory.cache_bytes))
          : "");
  int images = 0;
  std::string others;
  for (const auto& path : products.paths()) {
    if (path.ends_with(".fits"))
      ++images;
    else
      others += fmt::format(", {}", path);
  }
  text += fmt::format("products      {0}-*.fits ({1} files){2}, {0}-run/\n", plan.job.write.prefix, images,
                      others);
  metrics["visibilities_flagged"] = total.flagged;
  metrics["visibilities_beyond_grid"] = beyond;
  metrics["bytes_read"] = graph.counters()->bytes();
  metrics["cache_bytes_read"] = graph.cache_bytes_read();
  metrics["reread_factor"] =
      static_cast<double>(graph.counters()->bytes() + graph.cache_bytes_read()) / payload;
  metrics["planned_memory_bytes"] = plan.memory.total();
  metrics["memory_limit_bytes"] = plan.memory.budget;
  metrics["peak_jy_beam"] = top.peak;
  metrics["noise_jy_beam"] = top.sigma;
  if (top.sigma > 0) metrics["dynamic_range"] = top.peak / top.sigma;
  return text;
}

/// For the progress line: what the cost model thinks of the whole graph.
double predicted_core_seconds(const ImagingPlan& plan, const runtime::CostModel& costs,
                              graphs::ChunkFeed* feed) {
  graphs::Recorder recorder;
  graphs::record_graph(plan, recorder, graphs::kTypicalCycles, feed);
  return graphs::totals(recorder, costs).compute_s;
}

void notes(const ImagingPlan& plan, graphs::RunLog& log) {
  for (const auto& set : plan.measurement_sets) {
    const auto& info = set->info();
    if (info.column_was_auto) log.info(fmt::format("{}: imaging column {}", info.path, info.column));
    for (const auto& note : info.notes) spdlog::warn("{}: {}", info.path, note);
  }
  for (size_t c = 0; c < plan.channels.size(); ++c)
    if (plan.channels[c].empty())
      spdlog::warn(
          "output channel {} ({:.6g}..{:.6g} MHz) has no visibilities on the grid: its images are blank", c,
          plan.channels[c].freq_begin_hz * 1e-6, plan.channels[c].freq_end_hz * 1e-6);
}

/// Of a workflow that went through files, the same figures as of one in memory.
nlohmann::json through_files(const StagesBefore& before, double seconds, const runtime::IoTime& io,
                             int64_t bytes_read) {
  return {{"mode", "files"},
          {"makespan_s", before.seconds + seconds},
          {"stages_before_s", before.seconds},
          {"io_s", before.io.task_s + io.task_s},
          {"io_wall_s", before.io.wall_s + io.wall_s},
          {"bytes_written", before.bytes_written},
          {"bytes_read", before.bytes_read + bytes_read}};
}

void run(const ImagingJob& job, const GainsOfSets& gains, const StagesBefore& before,
         graphs::ChunkFeed* feed) {
  graphs::RunRecord record(job.runtime.trace);
  io::check_writable_prefix(job.write.prefix);
  graphs::RunLog log;
  const auto plan = graphs::plan_imaging_job(job, feed);
  for (size_t i = 0; i < plan.measurement_sets.size(); ++i) {
    std::vector<std::shared_ptr<const io::GainTable>> chain;
    if (i < gains.size()) chain = gains[i];
    if (plan.facet_gains) chain.push_back(plan.facet_gains->known);
    if (!chain.empty()) plan.measurement_sets[i]->correct_for(chain);
  }
  notes(plan, log);
  log.info(graphs::describe(plan));
  record.phase("planning");

  io::throw_if_interrupted();
  auto products = std::make_shared<io::Products>();
  const io::RunDirectory directory(job.write.prefix);
  runtime::Runtime runtime(graphs::with_fxt_folder(job.runtime, job.write.prefix));
  record.phase("start");
  const auto& info = runtime.info();
  if (job.runtime.cpus > info.cpus || job.runtime.io_workers > info.io_workers ||
      job.runtime.gpus > info.gpus)
    spdlog::warn("workers obtained: {} cores, {} GPUs, {} for I/O; asked: {}, {}, {}", info.cpus, info.gpus,
                 info.io_workers, info.cpus_asked, info.gpus_asked, info.io_workers_asked);
  ImagingGraph graph(plan, runtime, feed);
  try {
    const graphs::RunWatch watch(
        runtime, isatty(STDERR_FILENO) != 0 ? predicted_core_seconds(plan, runtime.costs(), feed) : 0);
    graph.dirty();
    graph.write_dirty(products);
    if (plan.cleans()) {
      graph.clean([&](runtime::DataId id) { return runtime.host(id).as<const deconvolve::LoopBlock>(); });
      graph.write_cleaned(products);
    }
    runtime.wait_all();
#if FRINGEFLOW_HAVE_CUDA
    cuda::throw_posted_error();  // one found by the last kernels
#endif
    record.phase("graph");
    if (feed != nullptr) feed->finish(runtime);
    if (plan.cleans()) write_components(plan, graph, *products);
    products->commit();
  } catch (const handover::DensityChanged&) {
    throw;  // not a failure: the run starts again
  } catch (const std::exception& error) {
    products->discard();
    graphs::leave_failed_run(directory, job.workflow_text, log.text(), error.what(),
                             record.timeline(runtime));
    throw;
  }
  record.phase("products");
  record.end();

  const auto timeline = record.timeline(runtime);
  auto metrics = record.metrics(runtime, timeline, graph.counters()->total().visibilities);
  if (plan.cleans())
    for (const auto id : graph.loop_blocks()) {
      const auto& state = runtime.host(id).as<const deconvolve::LoopBlock>()->state;
      log.info(fmt::format("clean         {} components in {} major cycles, down to {:.4g} Jy/beam: {}",
                           state.iterations, state.cycle, state.threshold,
                           deconvolve::reason_text(state.reason)));
      if (state.halvings > 0)
        spdlog::warn(
            "cleaning made peaks grow: the PSF's sidelobes do not end where the image does. It went on with "
            "a "
            "major gain of {:.2g} instead of {:g}. Check the residual; a mask around the source, weighting: "
            "uniform, "
            "a smaller gain or more major_cycles help",
            std::ldexp(plan.loop.major_gain, -state.halvings), plan.loop.major_gain);
      metrics["clean"].push_back({{"iterations", state.iterations},
                                  {"major_gain", std::ldexp(plan.loop.major_gain, -state.halvings)},
                                  {"major_cycles", state.cycle},
                                  {"threshold_jy", state.threshold},
                                  {"reason", deconvolve::reason_text(state.reason)}});
    }
  for (size_t c = 0; c < plan.channels.size(); ++c)
    if (!plan.channels[c].empty() &&
        !(runtime.host(graph.sums()).as<const double>()[plan.sum_index(c, 0)] > 0))
      spdlog::warn(
          "output channel {} ({:.6g}..{:.6g} MHz) is flagged or of zero weight throughout: its images are "
          "blank",
          c, plan.channels[c].freq_begin_hz * 1e-6, plan.channels[c].freq_end_hz * 1e-6);
  if (feed != nullptr)
    metrics["pipeline"] = feed->metrics(timeline, metrics["time_s"]);
  else if (before.seconds > 0)
    metrics["pipeline"] =
        through_files(before, metrics["time_s"], runtime::io_time(timeline), graph.counters()->bytes());
  const auto lines = closing_lines(plan, graph, runtime, *products, metrics);
  log.info(lines);
  try {
    directory.write_text("workflow.yaml", job.workflow_text);
    directory.write_text("log.txt", log.text());
    directory.write_environment(
        {{"fringeflow", FRINGEFLOW_VERSION}, {"git", FRINGEFLOW_GIT}, {"starpu", info.starpu_version}});
    graphs::write_traces(directory, record, timeline, metrics);
  } catch (const RunError& error) {
    spdlog::warn("the record of this run is not complete: {}", error.what());  // the products are
  }
  runtime.learn();
}

}  // namespace

void run_imaging(const ImagingJob& job, const GainsOfSets& gains, const StagesBefore& before) {
  run(job, gains, before, nullptr);
}

void run_imaging(const ImagingJob& job, graphs::ChunkFeed& feed) { run(job, {}, {}, &feed); }

std::string plan_imaging(const ImagingJob& job, bool json, graphs::ChunkFeed* feed) {
  const auto plan = graphs::plan_imaging_job(job, feed);
  graphs::Recorder recorder;
  graphs::record_graph(plan, recorder, graphs::kTypicalCycles, feed);
  const runtime::CostModel costs(runtime::CostModel::default_file());
  const auto totals = graphs::totals(recorder, costs);
  const int cores = job.runtime.cpus > 0 ? job.runtime.cpus : runtime::available_cores();
  const double estimate = std::max({totals.compute_s / cores, totals.critical_path_s, totals.io_s});
  int64_t bytes = 0;
  for (const auto& one : recorder.data()) bytes += one.bytes;
  if (json) {
    nlohmann::json out{{"tasks", recorder.tasks().size()},
                       {"compute_s", totals.compute_s},
                       {"io_s", totals.io_s},
                       {"critical_path_s", totals.critical_path_s},
                       {"estimated_s", estimate},
                       {"cpus", cores},
                       {"peak_memory_bytes", plan.memory.total()},
                       {"memory_limit_bytes", plan.memory.budget},
                       {"visibilities", plan.visibilities},
                       {"chunks", plan.chunks.size()},
                       {"resident", plan.memory.resident},
                       {"data_bytes", bytes}};
    for (const auto& one : totals.codelets)
      out["codelets"][one.codelet->name] = {{"tasks", one.count}, {"seconds", one.seconds}};
    return out.dump(1) + "\n";
  }
  std::string text = graphs::describe(plan);
  text += fmt::format("tasks     {} ({} cycles of cleaning assumed)\n", recorder.tasks().size(),
                      plan.cleans() ? graphs::kTypicalCycles : 0);
  for (const auto& one : totals.codelets)
    text += fmt::format("  {:<18} {:>7} tasks {:>10.3f} s\n", one.codelet->name, one.count, one.seconds);
  text += fmt::format(
      "estimate  {} on {} cores: computing {:.2f} s, reading and writing {:.2f} s, critical path {:.2f} s\n",
      duration_text(estimate), cores, totals.compute_s, totals.io_s, totals.critical_path_s);
  return text;
}

std::string graph_imaging(const ImagingJob& job, const std::string& format, const std::string&,
                          graphs::ChunkFeed* feed) {
  const auto plan = graphs::plan_imaging_job(job, feed);
  graphs::Recorder recorder;
  graphs::record_graph(plan, recorder, graphs::kTypicalCycles, feed);
  return graphs::dump(recorder, runtime::CostModel(runtime::CostModel::default_file()), format);
}

}  // namespace fringeflow
