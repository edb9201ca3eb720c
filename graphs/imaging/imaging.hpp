// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Imaging jobs from end to end: plan, run, products, run directory, closing lines.
#include <memory>
#include <string>
#include <vector>

#include "io/options.hpp"
#include "runtime/timeline.hpp"

namespace fringeflow {

namespace io {
struct GainTable;
}

/// Gains that the sets of a job are corrected for while they are read, by position in ImagingJob::ms; the first of each is the outermost.
using GainsOfSets = std::vector<std::vector<std::shared_ptr<const io::GainTable>>>;

namespace graphs {
class ChunkFeed;
}

/// Stages of a workflow that ran before this one and left files for it.
struct StagesBefore {
  double seconds = 0;
  runtime::IoTime io;
  int64_t bytes_read = 0, bytes_written = 0;
};

/// Runs one job. Throws UserError or RunError; then no product has appeared.
void run_imaging(const ImagingJob& job, const GainsOfSets& gains = {}, const StagesBefore& before = {});
/// The same with chunks that others make in memory.
void run_imaging(const ImagingJob& job, graphs::ChunkFeed& feed);

/// The plan before running: choices, tasks, bytes, peak memory, estimated time; one JSON object with `json`.
/// @param feed makes the chunks in memory; null: they are read
std::string plan_imaging(const ImagingJob& job, bool json, graphs::ChunkFeed* feed = nullptr);

/// The physical graph as dot, mermaid or json.
std::string graph_imaging(const ImagingJob& job, const std::string& format, const std::string& level,
                          graphs::ChunkFeed* feed = nullptr);

}  // namespace fringeflow
