// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Experiments: one workflow over axes of settings, run or forecast.
#include <cstdint>
#include <string>
#include <vector>

#include "graphs/workflow/node.hpp"
#include "traces/experiment_table.hpp"

namespace fringeflow::apps {

struct ExperimentSpec {
  graphs::Node workflow;  ///< the base document
  std::string workflow_name;
  bool forecast = false;
  /// "runtime.scheduler", as in --set; "image.size & image.cell": several settings that go together; "machine" for forecasts.
  std::vector<std::string> axes;
  std::vector<std::vector<std::string>> values;  ///< [axis][value]
  int repeats = 3;
  uint64_t seed = 1;     ///< of the order of runs
  bool simgrid = false;  ///< engine: simgrid
  std::string only;      ///< of forecasts: jobs of this kind; empty: all
  bool keep_images = false;
  bool calibrate = true;  ///< a run apart for each setting that a policy that predicts times is tried on
  std::string reference;  ///< FITS image that quality is measured against; empty: none
  std::string recorded;   ///< a run that forecasts rest on; empty: the machine's records
  std::vector<traces::Constraint> constraints;
  std::vector<traces::Objective> pareto;
  std::vector<size_t> per;  ///< axes that say what is computed: points of other values there are not compared
  std::string text;         ///< the file

  /// All combinations, [point][axis]; the last axis varies fastest.
  std::vector<std::vector<std::string>> points() const;
  /// The workflow of a point, its products under `prefix`. Throws WorkflowError naming settings that there are not.
  graphs::Node document(const std::vector<std::string>& point, const std::string& prefix) const;
};

/// Throws UserError or WorkflowError with file and line.
ExperimentSpec read_experiment(const std::string& path);

/// Runs what the folder does not hold yet, writes runs.csv, summary.csv, report.txt and report.html there. Throws UserError when
/// policies that predict times would be compared without records of the codelets' times. @return report.txt.
std::string run_experiment(const ExperimentSpec& spec, const std::string& folder);

}  // namespace fringeflow::apps
