// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What every run records of every task.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/codelet.hpp"
#include "runtime/dependencies.hpp"

namespace fringeflow::runtime {

/// Times in seconds since the runtime started.
struct TaskRecord {
  const CodeletDef* codelet = nullptr;
  Tag tag;
  Device device = Device::cpu;
  int worker = -1;
  int64_t id = 0;
  double submit_s = 0, ready_s = 0, start_s = 0, end_s = 0;
  double predicted_s = 0;
  double work = 0;
  int64_t bytes = 0;  ///< of all the task's data
  double cpu_s =
      -1;  ///< of start_s to end_s, the time that the worker's thread was on a core; negative: not known
  double fetch_s = 0;  ///< the worker waited for the task's data, before start_s
  double overhead_s =
      0;  ///< the worker was busy with the task outside of fetching and its body: releasing, waking others
};

struct WorkerInfo {
  std::string name;
  Role role = Role::compute;
  Device device = Device::cpu;
};

struct MemorySample {
  double at_s = 0;
  int64_t bytes = 0;
};

/// One of the memories that hold the graph's data, over time.
struct MemoryNode {
  std::string name;
  std::vector<MemorySample> samples;
};

struct Timeline {
  std::vector<WorkerInfo> workers;
  std::vector<TaskRecord> tasks;     ///< ordered by start
  double begin_s = 0;                ///< first submission
  double makespan_s = 0;             ///< first submission to last end
  Dependencies dependencies;         ///< by TaskRecord::id
  std::vector<DataSpec> data;        ///< by DataId
  double origin_s = 0;               ///< time 0 on std::chrono::steady_clock
  std::vector<MemorySample> memory;  ///< resident, of the process
  std::vector<MemoryNode>
      nodes;  ///< what StarPU has in each of its memories, and what is taken of each GPU's
  int64_t transferred_bytes = 0;  ///< between host and devices
};

/// What reading and writing take: in the bodies of all I/O tasks together, which counts two side by side twice, and the time with at
/// least one of them running.
struct IoTime {
  double task_s = 0, wall_s = 0;
  IoTime& operator+=(const IoTime& other) {
    task_s += other.task_s;
    wall_s += other.wall_s;
    return *this;
  }
};
inline IoTime io_time(const Timeline& timeline) {
  IoTime sum;
  double until = 0;
  for (const auto& task : timeline.tasks) {
    if (task.codelet->role != Role::io) continue;
    sum.task_s += task.end_s - task.start_s;
    sum.wall_s += std::max(0.0, task.end_s - std::max(until, task.start_s));
    until = std::max(until, task.end_s);
  }
  return sum;
}

/// Seconds that a computing task takes a core, where that is known: what others do to the machine is not in it. Else its time.
inline double own_seconds(const TaskRecord& task) {
  const double seconds = task.end_s - task.start_s;
  return task.cpu_s > 0 && task.cpu_s < seconds && task.codelet->role == Role::compute ? task.cpu_s : seconds;
}

}  // namespace fringeflow::runtime
