// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/experiment.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "graphs/forecast/forecast.hpp"
#include "graphs/imaging/imaging_graph.hpp"
#include "graphs/lower.hpp"
#include "graphs/run_record.hpp"
#include "graphs/schema/suggest.hpp"
#include "graphs/workflow/workflow.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "io/fits_image.hpp"
#include "runtime/runtime.hpp"
#include "traces/joined.hpp"
#include "traces/quality.hpp"
#include "traces/stored_run.hpp"

extern char** environ;

namespace fringeflow::apps {
namespace {

namespace fs = std::filesystem;

std::string last_line(const std::string& file) {
  std::ifstream in(file);
  std::string last;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) last = line;
  return last;
}

/// This program on a workflow file, its output into `log`. @return its exit status, -1 when a signal ended it.
int run_program(const std::string& workflow, const std::string& log) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::string program = fs::read_symlink("/proc/self/exe").string(), command = "run", file = workflow;
  char* arguments[] = {program.data(), command.data(), file.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw RunError(fmt::format("{}: cannot be started", program));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// FNV-1a over the pixels of all FITS products, by name. Headers hold the settings and differ.
std::string digest(const std::string& prefix) {
  std::vector<fs::path> files;
  const fs::path path(prefix);
  for (const auto& entry : fs::directory_iterator(path.parent_path()))
    if (entry.path().extension() == ".fits" &&
        entry.path().filename().string().starts_with(path.filename().string() + "-"))
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  uint64_t hash = 0xcbf29ce484222325;
  for (const auto& file : files) {
    const auto image = io::read_fits_image<float>(file.string());
    const auto* bytes = reinterpret_cast<const unsigned char*>(image.pixels.data());
    for (size_t i = 0; i < image.pixels.size() * sizeof(float); ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  }
  return fmt::format("{:016x}", hash);
}

/// Sets and gains that stages made for this run alone go with its images.
void remove_products(const std::string& prefix) {
  const fs::path path(prefix);
  std::vector<fs::path> made;
  for (const auto& entry : fs::directory_iterator(path.parent_path())) {
    const auto name = entry.path().filename().string();
    if (name.starts_with(path.filename().string() + ".") &&
        (name.ends_with(".ms") || name.ends_with(".h5") || name.ends_with("-truth.h5") ||
         name.ends_with("-rfi.csv")))
      made.push_back(entry.path());
    if (name.starts_with(path.filename().string() + "-") &&
        (entry.path().extension() == ".fits" || entry.path().extension() == ".png" ||
         name.ends_with("-sources.txt")))
      made.push_back(entry.path());
  }
  for (const auto& one : made) fs::remove_all(one);
}

/// The run directories that a job has left: those of its rounds, of self-calibration.
std::vector<std::string> run_folders(const graphs::Job& job) {
  const std::string prefix = graphs::run_prefix_of(job);
  if (graphs::kind_of(job) != "selfcal") return {prefix + "-run"};
  std::vector<std::string> folders;
  for (int round = 0; fs::exists(fmt::format("{}-round{}-run/metrics.json", prefix, round)); ++round)
    folders.push_back(fmt::format("{}-round{}-run", prefix, round));
  return folders;
}

/// What all jobs of a run come to: the image's own metrics, with times, energy and bytes of the stages before it.
nlohmann::json whole_run(const std::vector<graphs::Job>& jobs, double process_s) {
  std::vector<traces::StoredRun> runs;
  std::vector<std::string> kinds;
  for (const auto& job : jobs)
    for (const auto& folder : run_folders(job)) {
      runs.emplace_back(folder);
      kinds.push_back(graphs::kind_of(job));
    }
  auto metrics = runs.back().metrics();
  if (runs.size() == 1) return metrics;
  std::vector<runtime::Timeline> timelines;
  for (const auto& run : runs) timelines.push_back(run.timeline().timeline());
  graphs::RunFigures figures;
  figures.time_s = process_s;
  figures.visibilities = metrics.value("visibilities", int64_t{0});
  figures.scheduler = metrics.value("scheduler", "");
  figures.cpus = metrics.value("cpus", 0);
  figures.gpus = metrics.value("gpus", 0);
  figures.io_workers = metrics.value("io_workers", 0);
  traces::Energy energy{0, {}};
  bool measured = true;
  double peak = 0;
  auto stages = nlohmann::json::array();
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto& m = runs[i].metrics();
    energy.joule += m.value("energy_j", 0.0);
    if (m.contains("energy_sensors")) energy.sensors = m["energy_sensors"];
    measured = measured && m.value("energy_source", "") == "measured";
    peak = std::max(peak, m.value("peak_memory_bytes", 0.0));
    stages.push_back(
        {{"stage", kinds[i]}, {"time_s", m.value("time_s", 0.0)}, {"tasks", m.value("tasks", 0)}});
  }
  if (measured) figures.energy = energy;
  metrics.update(graphs::run_metrics(figures, traces::joined(timelines), traces::load_machine("this")));
  metrics["peak_memory_bytes"] = peak;
  metrics["stages"] = std::move(stages);
  return metrics;
}

/// One run; one that is there already is read.
traces::ExperimentRun run_one(const ExperimentSpec& spec, const std::vector<std::string>& point,
                              size_t number, int repeat, const std::string& prefix) {
  traces::ExperimentRun run{number, repeat, "ok", "", {}};
  const std::string done = prefix + "-run/experiment.json", pixels = prefix + "-run/pixels.txt";
  if (!fs::exists(done) || !fs::exists(pixels) || !fs::exists(prefix + "-run/quality.json")) {
    std::vector<graphs::Job> jobs;
    try {
      const auto workflow = graphs::build(spec.document(point, prefix), spec.workflow_name);
      jobs = graphs::lower(workflow, "experiment");
      io::write_file(prefix + ".yaml", graphs::to_yaml(workflow, true));
    } catch (const UserError& error) {
      run.status = error.what();
      return run;
    }
    const auto begin = std::chrono::steady_clock::now();
    const int code = run_program(prefix + ".yaml", prefix + ".log");
    const double process_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (code != 0) {
      run.status = last_line(prefix + ".log");
      if (run.status.empty()) run.status = fmt::format("ended with {}", code);
      return run;
    }
    fs::create_directories(prefix + "-run");  // rounds of self-calibration have one each
    const auto hash = digest(prefix);
    // Equal pixels are of equal quality: measured once.
    const auto quality = fs::path(prefix).parent_path() / ("quality-" + hash + ".json");
    if (!fs::exists(quality)) {
      auto measured = nlohmann::json::object();
      try {
        measured = traces::image_quality(prefix, spec.reference);
      } catch (const UserError& error) {
        spdlog::warn("{}; this setting's quality is not known", error.what());
      }
      io::write_file(quality.string(), measured.dump() + "\n");
    }
    io::write_file(prefix + "-run/quality.json", io::read_file(quality.string()));
    io::write_file(pixels, hash);
    if (!spec.keep_images) remove_products(prefix);
    io::write_file(done, whole_run(jobs, process_s).dump() + "\n");
  }
  run.metrics = nlohmann::json::parse(io::read_file(done));
  run.metrics.update(nlohmann::json::parse(io::read_file(prefix + "-run/quality.json")));
  run.pixels = io::read_file(pixels);
  return run;
}

/// The settings of a point that may change what tasks there are and how large: all but the policy.
std::vector<std::string> without_policy(const ExperimentSpec& spec, const std::vector<std::string>& point) {
  std::vector<std::string> settings;
  for (size_t a = 0; a < spec.axes.size(); ++a)
    if (!spec.axes[a].starts_with("runtime.scheduler")) settings.push_back(point[a]);
  return settings;
}

/// Codelets whose tasks at this point are of sizes that this machine has never measured.
std::set<std::string> unmeasured(const std::vector<graphs::Job>& jobs, const std::string& calibration_run) {
  const runtime::CostModel costs(runtime::CostModel::default_file());
  std::set<std::string> names;
  auto look = [&](const runtime::CodeletDef& codelet, runtime::Device device, double work) {
    if (codelet.role == runtime::Role::compute &&
        !costs.measured(runtime::CostModel::key(codelet, device), work))
      names.insert(codelet.name);
  };
  if (!calibration_run.empty()) {
    const traces::StoredRun run(calibration_run);
    for (const auto& task : run.timeline().timeline().tasks) look(*task.codelet, task.device, task.work);
    return names;
  }
  for (size_t i = 0; i < jobs.size(); ++i) {
    const std::vector<graphs::Job> before(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(i));
    const auto graph = graphs::plan_job(jobs[i], before, graphs::kTypicalCycles);
    for (const auto& task : graph->recorder.tasks())
      look(*task.codelet, runtime::Device::cpu,
           task.codelet->work != nullptr ? task.codelet->work(task.arguments.get()) : 1);
  }
  return names;
}

/// Runs apart, so that policies that predict times have records of tasks like those of each point. Throws UserError where they have not.
void calibrate_policies(const ExperimentSpec& spec, const fs::path& runs) {
  std::set<std::vector<std::string>> done;
  const auto points = spec.points();
  for (size_t p = 0; p < points.size(); ++p) {
    std::vector<graphs::Job> jobs;
    try {
      jobs =
          graphs::lower(graphs::build(spec.document(points[p], "check"), spec.workflow_name), "experiment");
    } catch (const UserError&) {
      continue;  // the run itself will say so
    }
    if (jobs.empty()) continue;
    const std::string& scheduler = graphs::runtime_of(jobs.back()).scheduler;
    if (!runtime::predicts_times(scheduler)) continue;
    if (!done.insert(without_policy(spec, points[p])).second) continue;
    std::string prefix;
    if (spec.calibrate) {
      prefix = (runs / fmt::format("calibration-{}", p)).string();
      spdlog::info("calibration for {}", graphs::join(points[p]));
      if (run_one(spec, points[p], p, 0, prefix).status != "ok") continue;
    }
    const auto missing = unmeasured(jobs, prefix);
    if (!missing.empty())
      throw UserError(fmt::format(
          "{}: '{}' decides by predicted times, and this machine has no records of tasks of such sizes for "
          "{}; "
          "set calibrate: true, or make records of earlier runs (fringeflow models calibrate RUN)",
          spec.workflow_name, scheduler, fmt::join(missing, ", ")));
  }
}

/// The settings of a point that planning looks at, besides cores and memory.
std::vector<std::string> planned_settings(const ExperimentSpec& spec, const std::vector<std::string>& point) {
  std::vector<std::string> settings;
  for (size_t a = 0; a < spec.axes.size(); ++a)
    if (spec.axes[a] != "machine" && spec.axes[a] != "runtime.scheduler" &&
        spec.axes[a] != "runtime.scheduler_parameters" && spec.axes[a] != "runtime.gpus" &&
        spec.axes[a] != "runtime.io_workers")
      settings.push_back(point[a]);
  return settings;
}

traces::ExperimentRun forecast_one(const ExperimentSpec& spec, const std::vector<std::string>& point,
                                   size_t number, const graphs::RecordedRuns& recorded,
                                   graphs::GraphCache& cache) {
  cache.settings = graphs::join(planned_settings(spec, point));
  traces::ExperimentRun run{number, 0, "ok", "", {}};
  std::string machine = "this";
  for (size_t a = 0; a < spec.axes.size(); ++a)
    if (spec.axes[a] == "machine") machine = point[a];
  try {
    const auto workflow = graphs::build(spec.document(point, "forecast"), spec.workflow_name);
    run.metrics =
        graphs::forecast(graphs::lower(workflow, "experiment"), traces::load_machine(machine), recorded,
                         &cache, spec.simgrid ? graphs::Engine::simgrid : graphs::Engine::own, spec.only)
            .metrics;
  } catch (const UserError& error) {
    run.status = error.what();
  }
  return run;
}

}  // namespace

std::string run_experiment(const ExperimentSpec& spec, const std::string& folder) {
  const fs::path runs = fs::path(folder) / "runs";
  std::error_code error;
  fs::create_directories(runs, error);
  if (error) throw RunError(fmt::format("{}: cannot be made: {}", runs.string(), error.message()));
  const std::string copy = folder + "/experiment.yaml";
  if (!fs::exists(copy))
    io::write_file(copy, spec.text);
  else if (io::read_file(copy) != spec.text)
    throw UserError(fmt::format("{}: holds another experiment; name another folder", copy));

  const auto points = spec.points();
  std::vector<std::pair<size_t, int>> order;
  for (size_t p = 0; p < points.size(); ++p)
    for (int r = 0; r < (spec.forecast ? 1 : spec.repeats); ++r) order.emplace_back(p, r);
  if (spec.forecast) {
    // Points that plan alike follow each other: planned once.
    std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
      return planned_settings(spec, points[a.first]) < planned_settings(spec, points[b.first]);
    });
  } else {
    std::mt19937_64 random(spec.seed);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  }

  traces::ExperimentTable table(spec.axes, points, spec.per);
  graphs::RecordedRuns recorded;
  if (!spec.recorded.empty())
    recorded = graphs::recorded_runs(
        spec.recorded,
        graphs::lower(graphs::build(spec.document(points.front(), "forecast"), spec.workflow_name),
                      "experiment"));
  if (!spec.forecast) {
    // Caches of files, StarPU's measurements of the machine and cost records, without which policies that predict are not themselves.
    spdlog::info("warm-up");
    run_one(spec, points.front(), 0, 0, (runs / "warm-up").string());
    calibrate_policies(spec, runs);
  }
  graphs::GraphCache cache;
  for (size_t i = 0; i < order.size(); ++i) {
    const auto [p, r] = order[i];
    auto run = spec.forecast ? forecast_one(spec, points[p], p, recorded, cache)
                             : run_one(spec, points[p], p, r, (runs / fmt::format("{}-{}", p, r)).string());
    spdlog::info("{} of {}: {}: {}", i + 1, order.size(), graphs::join(points[p]),
                 run.status == "ok" ? fmt::format("{:.3f} s", traces::metric_value(run.metrics, "time_s"))
                                    : run.status);
    table.add(std::move(run));
  }
  std::string text = table.text(spec.constraints, spec.pareto);
  if (!spec.forecast) {
    const auto differing = table.differing_pixels();
    text += differing.empty() ? "\npixels: the same wherever only runtime settings differ\n"
                              : "\npixels: DIFFERENT: " + differing + "\n";
  }
  io::write_file(folder + "/runs.csv", table.runs_csv());
  io::write_file(folder + "/summary.csv", table.summary_csv(spec.constraints, spec.pareto));
  io::write_file(folder + "/report.txt", text);
  const auto summary = table.json(spec.constraints, spec.pareto);
  io::write_file(folder + "/summary.json", summary.dump(1) + "\n");
  io::write_file(folder + "/report.html",
                 traces::experiment_html(fs::absolute(folder).filename().string(), summary, spec.text));
  return text;
}

}  // namespace fringeflow::apps
