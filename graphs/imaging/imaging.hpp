// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Imaging jobs from end to end: plan, run, products, run directory, closing lines.
#include <string>

#include "io/options.hpp"

namespace fringeflow {

/// Runs one job. Throws UserError or RunError; then no product has appeared.
void run_imaging(const ImagingJob& job);

/// The plan before running: choices, tasks, bytes, peak memory, estimated time; one JSON object with `json`.
std::string plan_imaging(const ImagingJob& job, bool json);

/// The physical graph as dot, mermaid or json.
std::string graph_imaging(const ImagingJob& job, const std::string& format, const std::string& level);

}  // namespace fringeflow
