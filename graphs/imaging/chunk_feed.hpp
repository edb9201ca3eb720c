// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Chunks of visibilities that other stages make in memory, instead of reading them from MeasurementSets.
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "codelets/read/read.hpp"
#include "io/measurement_set.hpp"
#include "runtime/codelet.hpp"
#include "runtime/timeline.hpp"

namespace fringeflow::runtime {
class Runtime;
}

namespace fringeflow::graphs {

struct ImagingPlan;

class ChunkFeed {
 public:
  virtual ~ChunkFeed() = default;
  /// Which chunks there are, and their UVW.
  virtual std::shared_ptr<io::VisibilitySource> source() = 0;
  /// Of the feed's own buffers; known after source()->scan().
  virtual int64_t bytes() const = 0;
  /// True when weights are what they will be before the visibilities exist: the density of weights need not wait for them.
  virtual bool weights_known() const = 0;
  /// Called once, before any chunk is asked for. @param chunks buffers of all chunks of the plan
  virtual void begin(runtime::TaskSink& sink, const ImagingPlan& plan,
                     const std::vector<runtime::DataId>& chunks, std::shared_ptr<ReadCounters> counters) = 0;
  /// Submits what fills UVW and weights of a chunk; only with weights_known().
  virtual void submit_weights(runtime::TaskSink& sink, size_t chunk) = 0;
  /// Submits what fills a chunk, and with it perhaps later ones. Chunks are asked for in order, each once.
  virtual void submit_visibilities(runtime::TaskSink& sink, size_t chunk) = 0;
  /// Writes what is the feed's to write, before images appear. After all tasks are done.
  virtual void finish(const runtime::Runtime& runtime) = 0;
  /// What metrics.json says of the feed. @param makespan_s of the whole job
  virtual nlohmann::json metrics(const runtime::Timeline& timeline, double makespan_s) const = 0;
};

}  // namespace fringeflow::graphs
