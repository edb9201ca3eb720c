// SPDX-License-Identifier: GPL-3.0-or-later
#include <filesystem>

#include "apps/commands.hpp"
#include "graphs/forecast/forecast.hpp"
#include "io/run_directory.hpp"

namespace fringeflow::apps {
namespace {

/// The run whose directory this workflow file lies in, if it is one.
std::string recorded_beside(const std::string& workflow) {
  const std::filesystem::path path(workflow);
  std::error_code ignored;
  if (path.filename() != "workflow.yaml" ||
      !std::filesystem::exists(path.parent_path() / "metrics.json", ignored))
    return {};
  return path.has_parent_path() ? path.parent_path().string() : ".";
}

}  // namespace

void add_forecast(CLI::App& app, Context& context) {
  auto source = std::make_shared<WorkflowSource>();
  auto machine = std::make_shared<std::string>("this"), run = std::make_shared<std::string>(),
       output = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  auto engine = std::make_shared<std::string>("own"), only = std::make_shared<std::string>();
  CLI::App* command =
      add_command(app, context, "forecast", "how long a workflow would take on a machine, without running it",
                  [&context, source, machine, run, output, json, engine, only] {
                    if (*engine != "own" && *engine != "simgrid")
                      throw UserError("forecast: --engine is own or simgrid, not '" + *engine + "'");
                    const auto description = traces::load_machine(*machine);
                    const auto jobs = graphs::lower(source->build(), context.command_line);
                    const std::string beside = run->empty() ? recorded_beside(source->name()) : *run;
                    graphs::RecordedRuns recorded;
                    if (!beside.empty()) recorded = graphs::recorded_runs(beside, jobs);
                    const auto forecast = graphs::forecast(
                        jobs, description, recorded, nullptr,
                        *engine == "simgrid" ? graphs::Engine::simgrid : graphs::Engine::own, *only);
                    if (!output->empty()) {
                      const io::RunDirectory directory(*output);
                      directory.write_text("workflow.yaml", graphs::workflow_text_of(jobs.back()));
                      directory.write_text("timeline.json", traces::perfetto_json(forecast.timeline));
                      auto metrics = forecast.metrics;
                      // In a run's own metrics it is the schedule's, which workers' times add up to; graph_s has what the simulator does not see.
                      metrics["makespan_s"] = forecast.timeline.makespan_s;
                      directory.write_json("metrics.json", metrics);
                    }
                    print(*json ? forecast.metrics.dump(2) + "\n" : graphs::forecast_text(forecast.metrics));
                    return 0;
                  });
  source->add(*command, WorkflowSource::Accept::both);
  command->add_option("--machine", *machine, "this, another shipped one (list machines), or a file [this]")
      ->type_name("NAME|FILE");
  command->add_option("--run", *run, "rest on this recorded run (default: the one beside RUN/workflow.yaml)")
      ->type_name("RUN");
  command
      ->add_option("--engine", *engine,
                   "own: Fringeflow's simulator; simgrid: StarPU itself in its SimGrid mode, where that was "
                   "built [own]")
      ->type_name("own|simgrid");
  command
      ->add_option("--only", *only,
                   "only these jobs of the workflow; what comes before them is taken to be done")
      ->check(CLI::IsMember({"simulate", "calibrate", "image", "pipeline"}))
      ->type_name("KIND");
  command->add_option("--record", *output, "leave PREFIX-run/ for report and compare")->type_name("PREFIX");
  command->add_flag("--json", *json, "the forecast as JSON");
}

}  // namespace fringeflow::apps
