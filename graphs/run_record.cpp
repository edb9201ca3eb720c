// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/run_record.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "fringeflow_version.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "io/measurement_set.hpp"
#include "runtime/memory_nodes.hpp"
#include "traces/io_statistics.hpp"
#include "traces/machine_file.hpp"
#include "traces/metrics.hpp"
#include "traces/timeline_file.hpp"

namespace fringeflow::graphs {
namespace {

constexpr const char* kFailed = "failed";  ///< folder of PREFIX-run/

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

RunRecord::RunRecord(bool trace)
    : begin_s_(now_s()),
      io_begin_(runtime::process_io()),
      trace_(trace),
      probes_begin_(io::bytes_read_by_probes()),
      thread_([this] { watch(); }) {
  if (trace_) runtime::start_io_trace();
}

RunRecord::~RunRecord() { end(); }

void RunRecord::watch() {
  constexpr auto kInterval = std::chrono::milliseconds(100);
  constexpr int kMeterEvery = 100;  // RAPL's counters wrap round in minutes
  std::unique_lock lock(mutex_);
  for (int64_t tick = 0; !ended_; ++tick) {
    memory_.push_back({now_s(), runtime::resident_bytes()});
    if (tick % kMeterEvery == kMeterEvery - 1) meter_.read();
    runtime::thin(memory_);
    wake_.wait_for(lock, kInterval, [this] { return ended_; });
  }
}

double RunRecord::seconds() const { return now_s() - begin_s_; }

void RunRecord::phase(const std::string& name) {
  const double now = seconds();
  phases_.emplace_back(name, now - last_phase_s_);
  last_phase_s_ = now;
}

void RunRecord::end() {
  if (!thread_.joinable()) return;
  end_s_ = seconds();
  energy_ = meter_.read();
  if (trace_) io_trace_ = runtime::stop_io_trace();
  io_ = runtime::process_io();
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

runtime::Timeline RunRecord::timeline(const runtime::Runtime& runtime) const {
  auto timeline = runtime.timeline();
  const std::lock_guard lock(mutex_);
  for (const auto& sample : memory_)
    timeline.memory.push_back({sample.at_s - timeline.origin_s, sample.bytes});
  return timeline;
}

nlohmann::json RunRecord::metrics(const runtime::Runtime& runtime, const runtime::Timeline& timeline,
                                  int64_t visibilities) const {
  const auto& info = runtime.info();
  auto json = run_metrics(
      {end_s_, phases_, visibilities, info.scheduler, info.cpus, info.gpus, info.io_workers, energy_},
      timeline, traces::load_machine("this"));
  json["peak_memory_bytes"] = runtime::peak_resident_bytes();
  json["memory_over_time"] = traces::memory_over_time(timeline);
  json["io"] = {{"read_bytes", io_.read_chars - io_begin_.read_chars},
                {"written_bytes", io_.written_chars - io_begin_.written_chars},
                {"read_calls", io_.read_calls - io_begin_.read_calls},
                {"write_calls", io_.write_calls - io_begin_.write_calls},
                {"disk_read_bytes", io_.read_disk - io_begin_.read_disk},
                {"disk_written_bytes", io_.written_disk - io_begin_.written_disk}};
  if (!trace_) json["trace"] = "off";
  if (trace_ && runtime::io_trace_available()) {
    runtime::ProcessIo process;
    process.read_chars = io_.read_chars - io_begin_.read_chars;
    process.written_chars = io_.written_chars - io_begin_.written_chars;
    json["io"].update(
        traces::io_statistics(io_trace_, timeline, process, io::bytes_read_by_probes() - probes_begin_));
  }
  return json;
}

nlohmann::json run_metrics(const RunFigures& figures, const runtime::Timeline& timeline,
                           const traces::MachineDescription& machine) {
  const auto measured = traces::metrics(timeline);
  nlohmann::json json = traces::to_json(measured, timeline);
  const auto visibilities = static_cast<double>(figures.visibilities);
  json["scheduler"] = figures.scheduler;
  json["cpus"] = figures.cpus;
  json["gpus"] = figures.gpus;
  json["io_workers"] = figures.io_workers;
  json["time_s"] = figures.time_s;
  for (const auto& [name, seconds] : figures.phases) json["phases"][name + "_s"] = seconds;
  json["visibilities"] = figures.visibilities;
  json["throughput_vis_s"] = visibilities / figures.time_s;

  double gpu_busy_s = 0;
  for (size_t i = 0; i < timeline.workers.size(); ++i)
    if (timeline.workers[i].device == runtime::Device::cuda) gpu_busy_s += measured.workers[i].busy_s;
  const double joule = figures.energy
                           ? figures.energy->joule
                           : machine.power.energy_j(figures.time_s, measured.busy_compute_s - gpu_busy_s,
                                                    figures.gpus, gpu_busy_s);
  json["energy_j"] = joule;
  json["energy_source"] = figures.energy ? "measured" : "modelled";
  if (figures.energy) json["energy_sensors"] = figures.energy->sensors;
  json["power_w"] = joule / figures.time_s;
  json["energy_efficiency_vis_j"] = visibilities / joule;
  for (const auto& site : traces::load_sites()) {
    const auto print = traces::footprint(joule, figures.time_s, machine, site);
    json["sites"][site.name] = {{"carbon_g", print.carbon_g()},
                                {"operational_carbon_g", print.operational_g},
                                {"embodied_carbon_g", print.embodied_g},
                                {"carbon_efficiency_vis_g", visibilities / print.carbon_g()},
                                {"cost_per_job_usd", print.cost_usd()},
                                {"energy_cost_usd", print.energy_usd},
                                {"capex_usd", print.capex_usd},
                                // Bought, and running like this all its life.
                                {"tco_usd", machine.price_usd + json["power_w"].get<double>() * 1e-3 *
                                                                    machine.lifetime_h * site.price_usd_kwh},
                                {"cost_efficiency_vis_usd", visibilities / print.cost_usd()}};
  }
  json["data_locality"] = measured.task_bytes > 0
                              ? std::clamp(1 - static_cast<double>(timeline.transferred_bytes) /
                                                   static_cast<double>(measured.task_bytes),
                                           0.0, 1.0)
                              : 1.0;
  // Accesses of tasks to their data: the program's own count, not the memory controller's.
  json["memory_bandwidth_gb_s"] = static_cast<double>(measured.task_bytes) * 1e-9 / figures.time_s;
  json["memory_efficiency_gb_j"] = static_cast<double>(measured.task_bytes) * 1e-9 / joule;
  return json;
}

void write_traces(const io::RunDirectory& directory, const RunRecord& record,
                  const runtime::Timeline& timeline, const nlohmann::json& metrics) {
  // What an earlier run left there is not this run's.
  std::error_code ignored;
  for (const char* name : {"timeline.json", "io.pfw"}) std::filesystem::remove(directory.file(name), ignored);
  std::filesystem::remove_all(directory.file(kFailed), ignored);
  if (metrics.value("trace", "on") != "off") {
    const auto trace = traces::perfetto_json(timeline);
    directory.write_text("timeline.json", trace);
    if (const auto left_out = traces::left_out_of_trace(timeline); left_out > 0)
      spdlog::info("{}: of {} tasks the shortest {} are left out", directory.file("timeline.json"),
                   timeline.tasks.size(), left_out);
  }
  if (metrics["io"].contains("reads"))
    directory.write_text("io.pfw", traces::dftracer_events(record.io_trace(), timeline));
  directory.write_json("metrics.json", metrics);
}

void leave_run(const std::string& prefix, const std::string& workflow_text, RunRecord& record,
               const runtime::Runtime& runtime, int64_t visibilities, const nlohmann::json& more) {
  record.end();
  try {
    const io::RunDirectory directory(prefix);
    const auto timeline = record.timeline(runtime);
    auto metrics = record.metrics(runtime, timeline, visibilities);
    if (more.is_object()) metrics.update(more);
    directory.write_text("workflow.yaml", workflow_text);
    directory.write_environment({{"fringeflow", FRINGEFLOW_VERSION},
                                 {"git", FRINGEFLOW_GIT},
                                 {"starpu", runtime.info().starpu_version}});
    write_traces(directory, record, timeline, metrics);
  } catch (const RunError& error) {
    spdlog::warn("no record of this run is kept: {}", error.what());
  }
}

void leave_failed_run(const io::RunDirectory& directory, const std::string& workflow_text,
                      const std::string& log, const std::string& error, const runtime::Timeline& timeline) {
  const std::string folder = directory.file(kFailed);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  std::filesystem::create_directory(folder, ignored);
  try {
    io::write_file(folder + "/workflow.yaml", workflow_text);
    io::write_file(folder + "/log.txt", fmt::format("{}error: {}\n", log, error));
    io::write_file(folder + "/timeline.json", traces::perfetto_json(timeline));
    spdlog::info("workflow, log and timeline of the run that failed: {}/", folder);
  } catch (const RunError&) {
    // A full disk is one of the errors that bring us here; there is one to tell already.
    std::filesystem::remove_all(folder, ignored);
  }
}

RuntimeOptions with_fxt_folder(RuntimeOptions options, const std::string& prefix) {
  options.fxt_folder = prefix + "-run";
  return options;
}

std::string run_prefix(std::string product) {
  while (product.size() > 1 && product.back() == '/') product.pop_back();
  const size_t slash = product.find_last_of('/'), dot = product.find_last_of('.');
  if (dot != std::string::npos && dot > 0 && (slash == std::string::npos || dot > slash + 1))
    product.resize(dot);
  return product;
}

}  // namespace fringeflow::graphs
