// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The one table of stages and sections that a workflow may have.
#include <string_view>
#include <vector>

#include "graphs/schema/schema.hpp"

namespace fringeflow::graphs {

/// All stages, in the order in which data flow.
const std::vector<StageSchema>& stages();

/// The stage of that name, or null.
const StageSchema* find_stage(std::string_view name);
/// The stage whose section of the short form has that name, or null.
const StageSchema* find_section(std::string_view section);
std::vector<std::string> stage_names();

/// The section `runtime`.
const SectionSchema& runtime_section();

}  // namespace fringeflow::graphs
