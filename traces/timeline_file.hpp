// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A timeline as a file: Chrome trace events, which Perfetto opens and Fringeflow reads again.
#include <deque>
#include <map>
#include <string>

#include "runtime/timeline.hpp"

namespace fringeflow::traces {

constexpr size_t kMostTasks = 200000;  ///< of a trace

/// "grid chunk 4 facet 1".
std::string task_name(const runtime::TaskRecord& task);

/// One row per worker; tasks named by stage, chunk and facet, with bytes, flops, times, and the tasks and data that they waited for;
/// memory, of the process and of each of StarPU's nodes, as counters. Of more than `most` tasks the shortest are left out, and the key `thinned` says so.
std::string perfetto_json(const runtime::Timeline& timeline, size_t most = kMostTasks);
/// Tasks that it leaves out.
int64_t left_out_of_trace(const runtime::Timeline& timeline, size_t most = kMostTasks);

/// A timeline that was read, with the codelets that its tasks point to.
class StoredTimeline {
 public:
  /// Throws UserError naming a file that is missing or no timeline of Fringeflow's.
  explicit StoredTimeline(const std::string& path);
  StoredTimeline(const StoredTimeline&) = delete;
  StoredTimeline& operator=(const StoredTimeline&) = delete;

  const runtime::Timeline& timeline() const { return timeline_; }
  /// Tasks that the file leaves out.
  int64_t left_out() const { return left_out_; }

 private:
  std::deque<std::string> names_;
  std::map<std::string, runtime::CodeletDef> codelets_;
  runtime::Timeline timeline_;
  int64_t left_out_ = 0;
};

}  // namespace fringeflow::traces
