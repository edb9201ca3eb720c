// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// From a checked workflow to the jobs that are run, in order.
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graphs/workflow/workflow.hpp"
#include "io/options.hpp"
#include "io/options_calibrate.hpp"
#include "io/options_pipeline.hpp"
#include "io/options_simulate.hpp"

namespace fringeflow::graphs {

using Job = std::variant<SimulateJob, PredictJob, CalibrateJob, SelfcalJob, ImagingJob, PipelineJob>;

/// "phase", "diagonal", …; nothing for another word.
std::optional<SolveKind> solve_kind(std::string_view name);

/// "phase:60s": gains and interval. Throws UserError.
SelfcalRound parse_round(std::string_view text);

/// One job for every simulate, predict and calibrate stage, and for every write stage with what leads to it (images, or rounds
/// of self-calibration); sources before their users. With runtime.pipeline: memory, a simulate stage, the calibrate stage behind it
/// and the write stage that it ends in are one job. Throws WorkflowError for what the language can say but a job cannot: several
/// different selections in one image, other stages than these in memory.
std::vector<Job> lower(const Workflow& workflow, const std::string& command_line);

}  // namespace fringeflow::graphs
