// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// read: one chunk of a MeasurementSet, as Stokes visibilities and weights with flags folded in. Blocking, on an I/O worker.
#include <memory>
#include <mutex>

#include "codelets/read/chunk.hpp"
#include "io/measurement_set.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow {

/// Counts of all chunks, each counted the first time that it is read.
class ReadCounters {
 public:
  void add(const io::ReadStatistics& one, bool first_time) {
    const std::lock_guard lock(mutex_);
    bytes_ += one.bytes;
    if (!first_time) return;
    total_.visibilities += one.visibilities;
    total_.flagged += one.flagged;
    total_.not_finite += one.not_finite;
    total_.bytes += one.bytes;
  }
  /// Visibilities with weight that lie beyond the grid.
  void add_beyond_grid(int64_t count) {
    const std::lock_guard lock(mutex_);
    beyond_grid_ += count;
  }
  int64_t beyond_grid() const {
    const std::lock_guard lock(mutex_);
    return beyond_grid_;
  }
  /// Payload of one pass; visibilities counted once.
  io::ReadStatistics total() const {
    const std::lock_guard lock(mutex_);
    return total_;
  }
  /// Bytes of all passes.
  int64_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  mutable std::mutex mutex_;
  io::ReadStatistics total_;
  int64_t bytes_ = 0, beyond_grid_ = 0;
};

/// Buffers: chunk (write). The set sees to it that one reader at a time is with casacore.
struct ReadArgs {
  std::shared_ptr<io::MeasurementSet> set;
  io::ChunkSpec spec;
  ChunkLayout layout;
  std::string stokes;
  std::optional<Direction> centre;
  std::shared_ptr<ReadCounters> counters;
  bool first_time = true;
};
const runtime::CodeletDef& read_codelet();

}  // namespace fringeflow
