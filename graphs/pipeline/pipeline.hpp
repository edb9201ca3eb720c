// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Simulation, calibration and imaging as one task graph: while a block of times is solved for gains, corrected and gridded, the next
/// ones are simulated.
#include <memory>
#include <string>

#include "io/options_pipeline.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow {

namespace graphs {
struct ImagingPlan;
}

/// Runs one job. Throws UserError or RunError; then no product has appeared.
void run_pipeline(const PipelineJob& job);

/// As plan_imaging and graph_imaging, of the whole graph.
std::string plan_pipeline(const PipelineJob& job, bool json);
std::string graph_pipeline(const PipelineJob& job, const std::string& format, const std::string& level);

namespace graphs {

/// The whole graph in a sink that runs nothing, and what its tasks point into.
class RecordedPipeline {
 public:
  RecordedPipeline(const PipelineJob& job, runtime::TaskSink& sink, int cycles);
  ~RecordedPipeline();
  const ImagingPlan& plan() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace graphs

}  // namespace fringeflow
