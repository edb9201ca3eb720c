// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/forecast/forecast.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "graphs/forecast/task_costs.hpp"
#include "graphs/imaging/imaging_graph.hpp"
#include "graphs/run_record.hpp"
#include "io/error.hpp"
#include "traces/joined.hpp"
#include "traces/simgrid.hpp"
#include "traces/simulator.hpp"

namespace fringeflow::graphs {
namespace {

using runtime::Device;
namespace fs = std::filesystem;

// Starting StarPU took 0.05 to 0.07 s on two cores; a recorded run has its own.
constexpr double kStartSeconds = 0.06;
constexpr unsigned kDraws = 9;
constexpr size_t kEvenTasks = 20000;  // of so many, one draw is like another
constexpr double kBudgetShare = 0.8;  // of the machine's memory, as a run plans

int recorded_cycles(const traces::StoredRun& run) {
  int cycles = 0;
  if (run.metrics().contains("clean"))
    for (const auto& one : run.metrics()["clean"]) cycles = std::max(cycles, one.value("major_cycles", 0));
  return cycles;
}

std::shared_ptr<const JobGraph> planned_graph(const std::vector<Job>& jobs, size_t number, int cycles,
                                              GraphCache* cache) {
  const auto& runtime = runtime_of(jobs[number]);
  const std::string key =
      fmt::format("{} {} cores {} bytes {} cycles", cache != nullptr ? cache->settings : "", runtime.cpus,
                  runtime.memory_bytes, cycles);
  if (cache != nullptr) {
    const auto known = cache->graphs.find(number);
    if (known != cache->graphs.end() && known->second.first == key) return known->second.second;
    cache->graphs.erase(number);  // before another one takes its memory
  }
  const std::vector<Job> before(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(number));
  auto graph = plan_job(jobs[number], before, cycles);
  if (cache != nullptr) cache->graphs[number] = {key, graph};
  return graph;
}

/// The options' "auto" as this machine has it; the same for all jobs of a workflow.
traces::SimulatedMachine resolve(RuntimeOptions& options, const traces::MachineDescription& machine,
                                 const traces::StoredRun* recorded) {
  traces::SimulatedMachine simulated;
  // The description of this machine does not look for GPUs; a run here has found those that there are.
  const int gpus =
      machine.name == "this" && recorded != nullptr ? recorded->metrics().value("gpus", 0) : machine.gpus;
  simulated.gpus = options.gpus >= 0 ? std::min(options.gpus, gpus) : gpus;
  if (options.cpus < 0) options.cpus = std::max(1, machine.cores - simulated.gpus);
  if (options.memory_bytes == 0)
    options.memory_bytes = static_cast<int64_t>(kBudgetShare * static_cast<double>(machine.memory_bytes));
  simulated.cpus = options.cpus;
  simulated.io_workers = options.io_workers >= 0 ? options.io_workers : 2;
  simulated.scheduler = options.scheduler != "auto" ? options.scheduler
                        : simulated.gpus > 0        ? "dmdas"
                                                    : "prio";
  simulated.scheduler_parameters = options.scheduler_parameters;
  simulated.link_bytes_s = machine.link_bytes_s;
  simulated.read_bytes_s = machine.read_bytes_s;
  simulated.write_bytes_s = machine.write_bytes_s;
  return simulated;
}

/// One job of a forecast.
struct Stage {
  runtime::Timeline timeline;
  std::vector<std::pair<std::string, double>> phases;
  double time_s = 0, graph_s = 0, slowdown = 1, unseen = 1;
  std::shared_ptr<const JobGraph> graph;
  std::set<std::string> recorded, declared;
};

/// Of policies that draw lots: the simulation with the median makespan. One draw alone says little of a run's.
template <class Simulate>
runtime::Timeline median_draw(traces::SimulatedMachine machine, const Simulate& simulate) {
  std::vector<std::pair<double, unsigned>> draws;
  for (unsigned seed = 1; seed <= kDraws; ++seed) {
    machine.seed = seed;
    draws.emplace_back(simulate(machine).makespan_s, seed);
  }
  std::nth_element(draws.begin(), draws.begin() + kDraws / 2, draws.end());
  machine.seed = draws[kDraws / 2].second;
  return simulate(machine);
}

Stage forecast_stage(const std::vector<Job>& jobs, size_t number, traces::SimulatedMachine simulated,
                     const traces::MachineDescription& machine, const traces::StoredRun* recorded,
                     GraphCache* cache, Engine engine) {
  const bool here = machine.name == "this";
  Stage stage;
  stage.graph =
      planned_graph(jobs, number, recorded != nullptr ? recorded_cycles(*recorded) : kTypicalCycles, cache);
  const auto& recorder = stage.graph->recorder;
  TaskCosts costs(machine, recorded, recorder.tasks());
  if (costs.overhead_s() >= 0) simulated.overhead_s = costs.overhead_s();
  const auto seconds_of = [&](const runtime::Task& task, Device device) {
    return costs.seconds(task, device);
  };
  const auto thought = [&](const runtime::Task& task, Device device) { return costs.thought(task, device); };
  const auto simulate = [&](const traces::SimulatedMachine& on) {
    const auto once = [&](const traces::SimulatedMachine& there) {
      return (engine == Engine::simgrid ? traces::simulate_with_simgrid : traces::simulate)(
          recorder.tasks(), recorder.dependencies(), recorder.data(), there, seconds_of,
          here ? traces::TaskSeconds(thought) : traces::TaskSeconds());
    };
    const bool draw = traces::draws_lots(on.scheduler) && recorder.tasks().size() <= kEvenTasks;
    return draw ? median_draw(on, once) : once(on);
  };
  stage.timeline = simulate(simulated);

  // What the simulation cannot see (uneven tasks, others on the cores) shows when the recorded run itself is simulated.
  if (here && recorded != nullptr &&
      recorded->metrics().value("tasks", size_t{0}) == recorder.tasks().size()) {
    const auto& then = recorded->metrics();
    auto same = simulated;
    same.scheduler = then.value("scheduler", same.scheduler);
    same.cpus = then.value("cpus", same.cpus);
    same.io_workers = then.value("io_workers", same.io_workers);
    const double replayed = simulate(same).makespan_s;
    if (replayed > 0)
      stage.unseen = std::clamp(then.value("makespan_s", replayed) * costs.slowdown() / replayed, 0.8, 1.25);
  }
  stage.graph_s = stage.timeline.makespan_s * stage.unseen;
  auto phase = [&](const char* name, double otherwise) {
    double seconds = otherwise;
    if (here && recorded != nullptr && recorded->metrics().contains("phases"))
      seconds = recorded->metrics()["phases"].value(std::string(name) + "_s", otherwise);
    stage.phases.emplace_back(name, seconds);
    stage.time_s += seconds;
  };
  phase("planning", stage.graph->planned_s);
  phase("start", kStartSeconds);
  stage.phases.emplace_back("graph", stage.graph_s);
  stage.time_s += stage.graph_s;
  phase("products", 0);
  stage.slowdown = costs.slowdown();
  stage.recorded = costs.recorded();
  stage.declared = costs.declared();
  return stage;
}

}  // namespace

RecordedRuns recorded_runs(const std::string& run, const std::vector<Job>& jobs) {
  RecordedRuns runs;
  auto named = std::make_unique<traces::StoredRun>(run);
  if (jobs.size() == 1) {
    runs.push_back(std::move(named));
    return runs;
  }
  // Where the other jobs of that run have left theirs, seen from the one that is named.
  const fs::path at = fs::weakly_canonical(named->path());
  std::vector<fs::path> folders;
  BuildOptions options;
  options.files = false;
  const auto then =
      lower(build(parse_yaml(named->workflow(), at.string()), at.string(), options), "forecast");
  std::optional<fs::path> base;
  for (const auto& job : then) {
    folders.push_back(fs::path(run_prefix_of(job) + "-run"));
    const std::string whole = at.string(), part = folders.back().lexically_normal().string();
    if (folders.back().is_absolute() ? whole == part : whole.ends_with("/" + part))
      base = whole.substr(0, whole.size() - part.size());
  }
  for (size_t i = 0; i < jobs.size(); ++i) {
    runs.push_back(nullptr);
    if (!base || i >= then.size() || kind_of(then[i]) != kind_of(jobs[i])) continue;
    // Of jobs that leave theirs in the same folder, the last one's is there.
    if (std::find(folders.begin() + static_cast<std::ptrdiff_t>(i) + 1, folders.end(), folders[i]) !=
        folders.end())
      continue;
    const fs::path folder = *base / folders[i];
    std::error_code ignored;
    if (!fs::exists(folder / "metrics.json", ignored)) continue;
    auto one = std::make_unique<traces::StoredRun>(folder.string());
    if (one->workflow() == named->workflow()) runs.back() = std::move(one);
  }
  return runs;
}

Forecast forecast(std::vector<Job> jobs, const traces::MachineDescription& machine,
                  const RecordedRuns& recorded, GraphCache* cache, Engine engine, const std::string& only) {
  if (machine.nodes > 1)
    throw UserError(fmt::format(
        "forecast: {} has {} nodes, and the program runs on one: its data have no owners among ranks, so "
        "that there is no graph for several that StarPU-MPI could be given under SMPI; forecast one of its "
        "nodes (nodes: 1)",
        machine.name, machine.nodes));
  const auto run_of = [&](size_t i) { return i < recorded.size() ? recorded[i].get() : nullptr; };
  traces::SimulatedMachine simulated;
  for (size_t i = 0; i < jobs.size(); ++i) simulated = resolve(runtime_of(jobs[i]), machine, run_of(i));

  RunFigures figures;
  figures.scheduler = simulated.scheduler;
  figures.cpus = simulated.cpus;
  figures.gpus = simulated.gpus;
  figures.io_workers = simulated.io_workers;
  double graph_s = 0, slowdown = 0, unseen = 0;
  int64_t peak_bytes = 0;
  int cycles = 0;
  std::set<std::string> measured, declared;
  auto stages = nlohmann::json::array();
  std::vector<runtime::Timeline> timelines;
  const traces::StoredRun* rests_on = nullptr;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const std::string kind = kind_of(jobs[i]);
    if (!only.empty() && kind != only) continue;
    auto stage = forecast_stage(jobs, i, simulated, machine, run_of(i), cache, engine);
    for (const auto& [name, seconds] : stage.phases)
      figures.phases.emplace_back(jobs.size() > 1 ? fmt::format("{}_{}_{}", kind, i, name) : name, seconds);
    figures.time_s += stage.time_s;
    figures.visibilities = stage.graph->visibilities;
    graph_s += stage.graph_s;
    slowdown += stage.slowdown * stage.graph_s;
    unseen += stage.unseen * stage.graph_s;
    peak_bytes = std::max(peak_bytes, stage.graph->peak_bytes);
    cycles += stage.graph->cycles;
    measured.merge(stage.recorded);
    declared.merge(stage.declared);
    if (run_of(i) != nullptr) rests_on = run_of(i);
    stages.push_back({{"stage", kind},
                      {"time_s", stage.time_s},
                      {"graph_s", stage.graph_s},
                      {"tasks", stage.timeline.tasks.size()},
                      {"peak_memory_bytes", stage.graph->peak_bytes},
                      {"recorded_run", run_of(i) != nullptr ? nlohmann::json(run_of(i)->path()) : nullptr}});
    timelines.push_back(std::move(stage.timeline));
  }
  if (timelines.empty())
    throw UserError(only.empty() ? "forecast: this workflow has no stage that runs"
                                 : fmt::format("forecast: this workflow has no job of the kind '{}'", only));
  Forecast result;
  result.timeline = timelines.size() == 1 ? std::move(timelines.front()) : traces::joined(timelines);
  result.metrics = run_metrics(figures, result.timeline, machine);
  auto& metrics = result.metrics;
  metrics["graph_s"] = graph_s;
  metrics["makespan_s"] = figures.time_s;
  metrics["peak_memory_bytes"] = peak_bytes;
  metrics["major_cycles"] = cycles;
  if (jobs.size() > 1) metrics["stages"] = std::move(stages);
  metrics["forecast"] = {
      {"method", engine == Engine::simgrid
                     ? "StarPU in its SimGrid mode, on the job's task graph"
                     : "Fringeflow's own discrete-event simulation of the job's task graph"},
      {"machine", machine.name},
      {"policy", engine == Engine::simgrid ? "StarPU's own"
                 : simulated.scheduler_parameters.empty()
                     ? traces::simulated_policy(simulated.scheduler)
                     : traces::simulated_policy(simulated.scheduler) + ", its parameters not imitated"},
      {"recorded_run", rests_on != nullptr ? nlohmann::json(rests_on->path()) : nullptr},
      {"slowdown_since_run", graph_s > 0 ? slowdown / graph_s : 1},
      {"unseen_by_simulation", graph_s > 0 ? unseen / graph_s : 1},
      {"recorded_codelets", measured},
      {"models", machine.models_file.empty() ? nlohmann::json(nullptr) : nlohmann::json(machine.models_file)},
      {"declared_codelets", declared}};
  return result;
}

std::string forecast_text(const nlohmann::json& m) {
  const auto& how = m.at("forecast");
  std::string text = fmt::format("forecast      {:.2f} s on {}: {} cores, {} GPUs, {} I/O workers, {} ({})\n",
                                 m["makespan_s"].get<double>(), how["machine"].get<std::string>(),
                                 m["cpus"].get<int>(), m["gpus"].get<int>(), m["io_workers"].get<int>(),
                                 m["scheduler"].get<std::string>(), how["policy"].get<std::string>());
  if (m.contains("stages"))
    for (const auto& stage : m["stages"])
      text += fmt::format("  {:<12}{:.2f} s, {} tasks{}\n", stage["stage"].get<std::string>(),
                          stage["time_s"].get<double>(), stage["tasks"].get<int64_t>(),
                          stage["recorded_run"].is_null() ? "" : ", as recorded");
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
