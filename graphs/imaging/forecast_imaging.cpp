// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/imaging/forecast_imaging.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <set>

#include "codelets/registry.hpp"
#include "graphs/imaging/imaging_graph.hpp"
#include "graphs/recorder.hpp"
#include "graphs/run_record.hpp"
#include "io/error.hpp"
#include "runtime/cost_model.hpp"
#include "traces/simgrid.hpp"
#include "traces/simulator.hpp"

namespace fringeflow::graphs {
namespace {

using runtime::CostModel;
using runtime::Device;

// Starting StarPU took 0.05 to 0.07 s on two cores; a recorded run has its own.
constexpr double kStartSeconds = 0.06;
constexpr double kBudgetShare = 0.8;  // of the machine's memory, as a run plans

/// Seconds of tasks: of a recorded run by codelet, cycle and size, because minor loops take what the data make them; else by the cost
/// model.
class TaskCosts {
  using Key = std::tuple<std::string, int32_t, int>;

 public:
  TaskCosts(const traces::MachineDescription& machine, const traces::StoredRun* recorded)
      : machine_(machine), costs_(CostModel::default_file()) {
    const auto known = all_codelets();
    for (const auto& [name, unused] : machine.rates)
      if (std::none_of(known.begin(), known.end(),
                       [&](const auto* codelet) { return codelet->name == name; }))
        throw UserError(fmt::format("{}: rates: there is no codelet '{}' (fringeflow list codelets)",
                                    machine.name, name));
    if (!machine.models_file.empty()) {
      there_ = std::make_unique<CostModel>(machine.models_file);
      if (there_->records().empty())
        throw UserError(
            fmt::format("{}: models: {}: no records in it (fringeflow models export makes such files)",
                        machine.name, machine.models_file));
    }
    if (recorded == nullptr) return;
    runtime::CostSamples samples;
    for (const auto& task : recorded->timeline().timeline().tasks) {
      const double seconds = task.end_s - task.start_s;
      around_s_ += task.fetch_s + task.overhead_s;
      ++tasks_;
      if (!(task.work > 0) || !(seconds > 0)) continue;
      samples[CostModel::key(*task.codelet, task.device)].push_back({task.work, seconds});
      auto& sum = by_cycle_[key(*task.codelet, task.device, task.tag.cycle, task.work)];
      sum.work += task.work;
      sum.seconds += seconds;
    }
    slowdown_ = slowdown_since(recorded->timeline().timeline());
    costs_.prefer(samples);
  }

  /// On the described machine, by the best that is known: what it is declared to do, its own records, the recorded run, the records
  /// of the machine at hand (times its speed), the rates of the codelets.
  double seconds(const runtime::Task& task, Device device) {
    const auto& codelet = *task.codelet;
    const double work = codelet.work != nullptr ? codelet.work(task.arguments.get()) : 1;
    if (const auto rate = machine_.rates.find(codelet.name); rate != machine_.rates.end())
      if (const double per_s = device == Device::cuda ? rate->second.gpu : rate->second.cpu; per_s > 0) {
        declared_.insert(codelet.name);
        return work / per_s;
      }
    if (there_ != nullptr && there_->recorded(codelet, device)) {
      recorded_.insert(codelet.name);
      return there_->seconds_for(codelet, work, device);
    }
    const double speed = codelet.role == runtime::Role::io ? 1
                         : device == Device::cuda          ? machine_.gpu_speed
                                                           : machine_.core_speed;
    (costs_.recorded(codelet, device) ? recorded_ : declared_).insert(codelet.name);
    const auto found = by_cycle_.find(key(codelet, device, task.tag.cycle, work));
    if (found != by_cycle_.end())
      return slowdown_ * work * found->second.seconds / found->second.work / speed;
    return costs_.seconds_for(codelet, work, device) / speed;
  }

  /// The machine's records, in which later runs count too, against the recorded run: 1.2 says that it has become slower by a fifth.
  double slowdown() const { return slowdown_; }

  /// A worker's time around a task; negative: not known.
  double overhead_s() const { return tasks_ > 0 ? around_s_ / static_cast<double>(tasks_) : -1; }
  const std::set<std::string>& recorded() const { return recorded_; }
  const std::set<std::string>& declared() const { return declared_; }

 private:
  /// At most 15 % either way: the records are of other work too, which a size alone does not tell from this.
  /// Over the kinds of tasks of the run, the median of (recorded median now / median in the run), weighted by their time in the run.
  double slowdown_since(const runtime::Timeline& run) const {
    std::map<Key, std::pair<const runtime::TaskRecord*, std::vector<double>>> kinds;
    for (const auto& task : run.tasks) {
      if (!(task.work > 0) || task.codelet->role == runtime::Role::io) continue;
      auto& [example, seconds] = kinds[key(*task.codelet, task.device, 0, task.work)];
      example = &task;
      seconds.push_back((task.end_s - task.start_s) / task.work);
    }
    std::vector<std::pair<double, double>> ratios;  // ratio, weight
    double all = 0;
    for (auto& [unused, kind] : kinds) {
      auto& [example, rates] = kind;
      if (!costs_.recorded(*example->codelet, example->device)) continue;
      const auto middle = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2);
      std::nth_element(rates.begin(), middle, rates.end());
      const double then = *middle * example->work;
      if (!(then > 0)) continue;
      const double weight = then * static_cast<double>(rates.size());
      ratios.emplace_back(costs_.seconds_for(*example->codelet, example->work, example->device) / then,
                          weight);
      all += weight;
    }
    std::sort(ratios.begin(), ratios.end());
    double below = 0;
    for (const auto& [ratio, weight] : ratios)
      if ((below += weight) >= all / 2) return std::clamp(ratio, 0.85, 1.15);
    return 1;
  }

  static Key key(const runtime::CodeletDef& codelet, Device device, int32_t cycle, double work) {
    return {CostModel::key(codelet, device), cycle,
            work > 0 ? static_cast<int>(std::floor(std::log2(work))) : 0};
  }

  const traces::MachineDescription& machine_;
  CostModel costs_;
  std::unique_ptr<CostModel> there_;  ///< records that the machine's description names
  std::map<Key, runtime::CostSample> by_cycle_;
  double around_s_ = 0, slowdown_ = 1;
  int64_t tasks_ = 0;
  std::set<std::string> recorded_, declared_;
};

int recorded_cycles(const traces::StoredRun& run) {
  int cycles = 0;
  if (run.metrics().contains("clean"))
    for (const auto& one : run.metrics()["clean"]) cycles = std::max(cycles, one.value("major_cycles", 0));
  return cycles;
}

}  // namespace

struct GraphCache::Graph {
  ImagingPlan plan;
  Recorder recorder;
  double planned_s = 0;
};

namespace {

std::shared_ptr<const GraphCache::Graph> planned_graph(const ImagingJob& job, int cycles, GraphCache* cache) {
  const std::string key =
      fmt::format("{} {} cores {} bytes {} cycles", cache != nullptr ? cache->settings : "", job.runtime.cpus,
                  job.runtime.memory_bytes, cycles);
  if (cache != nullptr && cache->graph && cache->key == key) return cache->graph;
  if (cache != nullptr) cache->graph.reset();
  const auto begin = std::chrono::steady_clock::now();
  auto graph = std::make_shared<GraphCache::Graph>();
  graph->plan = plan_imaging_job(job);
  graph->planned_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  record_graph(graph->plan, graph->recorder, cycles);
  if (cache != nullptr) {
    cache->key = key;
    cache->graph = graph;
  }
  return graph;
}

}  // namespace

Forecast forecast_imaging(ImagingJob job, const traces::MachineDescription& machine,
                          const traces::StoredRun* recorded, GraphCache* cache, Engine engine) {
  auto& options = job.runtime;
  const bool here = machine.name == "this";
  traces::SimulatedMachine simulated;
  // The description of this machine does not look for GPUs; a run here has found those that there are.
  const int gpus = here && recorded != nullptr ? recorded->metrics().value("gpus", 0) : machine.gpus;
  simulated.gpus = options.gpus >= 0 ? std::min(options.gpus, gpus) : gpus;
  if (options.cpus < 0) options.cpus = std::max(1, machine.cores - simulated.gpus);
  if (options.memory_bytes == 0)
    options.memory_bytes = static_cast<int64_t>(kBudgetShare * static_cast<double>(machine.memory_bytes));
  simulated.cpus = options.cpus;
  simulated.io_workers = options.io_workers >= 0 ? options.io_workers : 2;
  simulated.scheduler = options.scheduler != "auto" ? options.scheduler
                        : simulated.gpus > 0        ? "dmdas"
                                                    : "prio";
  simulated.link_bytes_s = machine.link_bytes_s;
  simulated.read_bytes_s = machine.read_bytes_s;
  simulated.write_bytes_s = machine.write_bytes_s;

  job.plan_as_declared = true;
  const int cycles = recorded != nullptr ? recorded_cycles(*recorded) : kTypicalCycles;
  const auto graph = planned_graph(job, cycles, cache);
  const auto& plan = graph->plan;
  const auto& recorder = graph->recorder;
  TaskCosts costs(machine, recorded);
  if (costs.overhead_s() >= 0) simulated.overhead_s = costs.overhead_s();

  const auto seconds_of = [&](const runtime::Task& task, Device device) {
    return costs.seconds(task, device);
  };
  Forecast forecast;
  const auto simulate = engine == Engine::simgrid ? traces::simulate_with_simgrid : traces::simulate;
  forecast.timeline =
      simulate(recorder.tasks(), recorder.dependencies(), recorder.data(), simulated, seconds_of);

  // What the simulation cannot see (uneven tasks, others on the cores) shows when the recorded run itself is simulated.
  double unseen = 1;
  if (here && recorded != nullptr &&
      recorded->metrics().value("tasks", size_t{0}) == recorder.tasks().size()) {
    const auto& then = recorded->metrics();
    auto same = simulated;
    same.scheduler = then.value("scheduler", same.scheduler);
    same.cpus = then.value("cpus", same.cpus);
    same.io_workers = then.value("io_workers", same.io_workers);
    const double replayed =
        simulate(recorder.tasks(), recorder.dependencies(), recorder.data(), same, seconds_of).makespan_s;
    if (replayed > 0)
      unseen = std::clamp(then.value("makespan_s", replayed) * costs.slowdown() / replayed, 0.8, 1.25);
  }
  const double graph_s = forecast.timeline.makespan_s * unseen;

  RunFigures figures;
  auto phase = [&](const char* name, double otherwise) {
    double seconds = otherwise;
    if (here && recorded != nullptr && recorded->metrics().contains("phases"))
      seconds = recorded->metrics()["phases"].value(std::string(name) + "_s", otherwise);
    figures.phases.emplace_back(name, seconds);
    figures.time_s += seconds;
  };
  phase("planning", graph->planned_s);
  phase("start", kStartSeconds);
  figures.phases.emplace_back("graph", graph_s);
  figures.time_s += graph_s;
  phase("products", 0);
  figures.visibilities = plan.visibilities;
  figures.scheduler = simulated.scheduler;
  figures.cpus = simulated.cpus;
  figures.gpus = simulated.gpus;
  figures.io_workers = simulated.io_workers;
  forecast.metrics = run_metrics(figures, forecast.timeline, machine);
  auto& metrics = forecast.metrics;
  metrics["graph_s"] = graph_s;
  metrics["makespan_s"] = figures.time_s;
  metrics["peak_memory_bytes"] = plan.memory.total();
  metrics["major_cycles"] = plan.cleans() ? cycles : 0;
  metrics["forecast"] = {
      {"method", engine == Engine::simgrid
                     ? "StarPU in its SimGrid mode, on the job's task graph"
                     : "Fringeflow's own discrete-event simulation of the job's task graph"},
      {"machine", machine.name},
      {"policy", engine == Engine::simgrid ? "StarPU's own" : traces::simulated_policy(simulated.scheduler)},
      {"recorded_run", recorded != nullptr ? nlohmann::json(recorded->path()) : nullptr},
      {"slowdown_since_run", costs.slowdown()},
      {"unseen_by_simulation", unseen},
      {"recorded_codelets", costs.recorded()},
      {"models", machine.models_file.empty() ? nlohmann::json(nullptr) : nlohmann::json(machine.models_file)},
      {"declared_codelets", costs.declared()}};
  return forecast;
}

std::string forecast_text(const nlohmann::json& m) {
  const auto& how = m.at("forecast");
  std::string text = fmt::format("forecast      {:.2f} s on {}: {} cores, {} GPUs, {} I/O workers, {} ({})\n",
                                 m["makespan_s"].get<double>(), how["machine"].get<std::string>(),
                                 m["cpus"].get<int>(), m["gpus"].get<int>(), m["io_workers"].get<int>(),
                                 m["scheduler"].get<std::string>(), how["policy"].get<std::string>());
  text += fmt::format(
      "graph         {:.2f} s, {} tasks, {} major cycles; critical path {:.2f} s, area bound {:.2f} s\n",
      m["graph_s"].get<double>(), m["tasks"].get<int64_t>(), m["major_cycles"].get<int>(),
      m["critical_path_s"].get<double>(), m["area_bound_s"].get<double>());
  text +=
      fmt::format("utilisation   {:.1f} %; serial {:.1f} %; I/O hidden {:.1f} %; peak memory {:.0f} MiB\n",
                  100 * m["utilisation"].get<double>(), 100 * m["serial_share"].get<double>(),
                  100 * m["hidden_io"].get<double>(), m["peak_memory_bytes"].get<double>() / (1 << 20));
  text += fmt::format("energy        {:.4g} J ({})\n", m["energy_j"].get<double>(),
                      m["energy_source"].get<std::string>());
  for (const auto& [site, one] : m["sites"].items())
    text += fmt::format("  {:<22}{:.3g} g CO2e, {:.3g} $\n", site, one["carbon_g"].get<double>(),
                        one["cost_per_job_usd"].get<double>());
  text += fmt::format(
      "rests on      {}\n",
      !how["models"].is_null()
          ? fmt::format("{}, then this machine's records", how["models"].get<std::string>())
      : how["recorded_run"].is_null()
          ? "this machine's records"
          : fmt::format("{} ({:+.0f} % since), then records", how["recorded_run"].get<std::string>(),
                        100 * (how["slowdown_since_run"].get<double>() - 1)));
  if (!how["declared_codelets"].empty()) {
    std::string names;
    for (const auto& name : how["declared_codelets"])
      names += (names.empty() ? "" : ", ") + name.get<std::string>();
    text += fmt::format("declared      rates of {}: never measured\n", names);
  }
  return text;
}

}  // namespace fringeflow::graphs
