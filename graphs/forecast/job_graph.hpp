// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "graphs/lower.hpp"
#include "graphs/recorder.hpp"

namespace fringeflow::graphs {

/// The task graph of a job as it would be run, by the code that runs it.
struct JobGraph {
  Recorder recorder;
  int64_t visibilities = 0;  ///< of the input, however often they are used
  int64_t peak_bytes = 0;    ///< as planned
  int cycles = 0;            ///< major cycles; 0: it does not clean
  double planned_s = 0;      ///< on a core of the machine at hand
  std::shared_ptr<const void> owner;  ///< what the tasks' arguments point into
};

/// "image", "simulate", … as the stages are called.
std::string kind_of(const Job& job);
RuntimeOptions& runtime_of(Job& job);
const RuntimeOptions& runtime_of(const Job& job);
const std::string& workflow_text_of(const Job& job);
/// PREFIX of PREFIX-run/, where a run of the job leaves its record.
std::string run_prefix_of(const Job& job);

/// @param before the jobs of the workflow that come first: a set that one of them simulates need not be there
/// @param cycles major cycles of an image that is cleaned
/// Throws UserError for what cannot be planned without running it: predict, selfcal, gains by direction.
std::shared_ptr<const JobGraph> plan_job(const Job& job, const std::vector<Job>& before, int cycles);

}  // namespace fringeflow::graphs
