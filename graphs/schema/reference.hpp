// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Texts made from the tables of stages: `explain`, the reference manual, the JSON Schema for editors.
#include <string>

#include "graphs/registry.hpp"

namespace fringeflow::graphs {

/// Ports and options of a stage for a terminal.
std::string explain(const StageSchema& stage);
std::string explain(const SectionSchema& section);

/// docs/workflow-reference.md.
std::string reference_markdown();

/// docs/workflow.schema.json: both forms of a workflow file.
std::string json_schema();

}  // namespace fringeflow::graphs
