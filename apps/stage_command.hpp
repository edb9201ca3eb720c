// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include "apps/cli.hpp"

namespace fringeflow::apps {

/// A sub-command that is a workflow of one stage: flags from its options, MeasurementSets as arguments with
/// `takes_sets`.
void add_stage_command(CLI::App& app, Context& context, const std::string& stage, bool takes_sets);

}  // namespace fringeflow::apps
