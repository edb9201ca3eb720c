// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a run says of itself: a table for the terminal, a page that stands alone, and how two runs differ.
#include <nlohmann/json.hpp>
#include <string>

#include "traces/stored_run.hpp"

namespace fringeflow::traces {

/// Figures, workers and codelets as text.
std::string report_text(const StoredRun& run);

/// One HTML page with everything in it: timeline, plots, tables, previews, the workflow. Works without a network.
std::string report_html(const StoredRun& run);

/// Metrics of both runs and their ratio, and seconds of workers per codelet, the largest difference first.
nlohmann::json compare(const StoredRun& a, const StoredRun& b);
std::string compare_text(const StoredRun& a, const StoredRun& b);

}  // namespace fringeflow::traces
