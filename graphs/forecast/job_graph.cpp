// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/forecast/job_graph.hpp"

#include <time.h>

#include "graphs/calibrate/calibrate.hpp"
#include "graphs/calibrate/directions.hpp"
#include "graphs/imaging/imaging_graph.hpp"
#include "graphs/pipeline/emulated_data.hpp"
#include "graphs/pipeline/pipeline.hpp"
#include "graphs/run_record.hpp"
#include "graphs/simulate/simulate.hpp"
#include "io/error.hpp"

namespace fringeflow::graphs {
namespace {

/// Seconds that this thread has been on a core: a busy machine, or a low priority, is not the forecast one's.
double thread_cpu_s() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// What a job's recorder is filled with, by kind.
class Planner {
 public:
  Planner(JobGraph& graph, const std::vector<Job>& before, int cycles)
      : graph_(graph), before_(before), cycles_(cycles) {}

  void operator()(const ImagingJob& job) const {
    auto declared = job;
    declared.plan_as_declared = true;
    auto plan = std::make_shared<ImagingPlan>(plan_imaging_job(declared));
    record_graph(*plan, graph_.recorder, cycles_);
    take(std::move(plan));
  }
  void operator()(const PipelineJob& job) const {
    auto recorded = std::make_shared<RecordedPipeline>(job, graph_.recorder, cycles_);
    take(std::shared_ptr<const ImagingPlan>(recorded, &recorded->plan()));
  }
  void operator()(const SimulateJob& job) const {
    const auto facts = record_simulation(job, graph_.recorder);
    graph_.visibilities = facts.visibilities;
    graph_.peak_bytes = facts.peak_bytes;
    graph_.owner = facts.owner;
  }
  void operator()(const CalibrateJob& job) const {
    if (needs_directions(job))
      throw UserError(
          "forecast: gains by direction: how often directions are fitted again is decided by the data");
    const auto facts = record_calibration(job, declared_source(job), graph_.recorder);
    graph_.visibilities = facts.visibilities;
    graph_.peak_bytes = facts.peak_bytes;
    graph_.owner = facts.owner;
  }
  void operator()(const PredictJob&) const {
    throw UserError(
        "forecast: predict opens its sets for writing and makes the column before it knows its tasks: only a "
        "run tells what it takes");
  }
  void operator()(const SelfcalJob&) const {
    throw UserError(
        "forecast: selfcal decides by each round's image what the next solves against and whether there is "
        "one: only a run tells what it takes; forecast its image alone");
  }

 private:
  void take(std::shared_ptr<const ImagingPlan> plan) const {
    graph_.visibilities = plan->visibilities;
    graph_.peak_bytes = plan->memory.total();
    graph_.cycles = plan->cleans() ? cycles_ : 0;
    graph_.owner = std::move(plan);
  }

  /// The set as an earlier stage declares it; null: it is read.
  std::shared_ptr<io::CorrelationSource> declared_source(const CalibrateJob& job) const {
    for (const auto& one : before_)
      if (const auto* simulate = std::get_if<SimulateJob>(&one);
          simulate != nullptr && simulate->output == job.ms)
        return std::make_shared<EmulatedData>(std::make_shared<const Emulator>(*simulate), job.ms);
    return nullptr;
  }

  JobGraph& graph_;
  const std::vector<Job>& before_;
  int cycles_;
};

}  // namespace

std::string kind_of(const Job& job) {
  struct Name {
    std::string operator()(const SimulateJob&) const { return "simulate"; }
    std::string operator()(const PredictJob&) const { return "predict"; }
    std::string operator()(const CalibrateJob&) const { return "calibrate"; }
    std::string operator()(const SelfcalJob&) const { return "selfcal"; }
    std::string operator()(const ImagingJob&) const { return "image"; }
    std::string operator()(const PipelineJob&) const { return "pipeline"; }
  };
  return std::visit(Name{}, job);
}

RuntimeOptions& runtime_of(Job& job) {
  return std::visit([](auto& one) -> RuntimeOptions& { return one.runtime; }, job);
}
const RuntimeOptions& runtime_of(const Job& job) {
  return std::visit([](const auto& one) -> const RuntimeOptions& { return one.runtime; }, job);
}
const std::string& workflow_text_of(const Job& job) {
  return std::visit([](const auto& one) -> const std::string& { return one.workflow_text; }, job);
}

std::string run_prefix_of(const Job& job) {
  struct Prefix {
    std::string operator()(const SimulateJob& one) const { return run_prefix(one.output); }
    std::string operator()(const PredictJob& one) const { return run_prefix(one.ms.front()) + "-predict"; }
    std::string operator()(const CalibrateJob& one) const { return run_prefix(one.output); }
    std::string operator()(const SelfcalJob& one) const { return one.imaging.write.prefix; }
    std::string operator()(const ImagingJob& one) const { return one.write.prefix; }
    std::string operator()(const PipelineJob& one) const { return one.imaging.write.prefix; }
  };
  return std::visit(Prefix{}, job);
}

std::shared_ptr<const JobGraph> plan_job(const Job& job, const std::vector<Job>& before, int cycles) {
  const double begin_s = thread_cpu_s();
  auto graph = std::make_shared<JobGraph>();
  std::visit(Planner(*graph, before, cycles), job);
  graph->planned_s = thread_cpu_s() - begin_s;
  return graph;
}

}  // namespace fringeflow::graphs
