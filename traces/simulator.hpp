// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A task graph run in simulated time: workers that take tasks as a scheduling policy of StarPU's would hand them out, a disk that
/// the I/O workers share, links to GPUs. Fringeflow's own discrete-event simulation, not StarPU's SimGrid mode.
#include <functional>
#include <string>
#include <vector>

#include "runtime/timeline.hpp"

namespace fringeflow::traces {

struct SimulatedMachine {
  int cpus = 1, io_workers = 2, gpus = 0;
  std::string scheduler = "prio";
  std::vector<std::string> scheduler_parameters;  ///< of StarPU's own policies: not imitated
  double link_bytes_s = 25e9;                     ///< host to each GPU
  double read_bytes_s = 0, write_bytes_s = 0;     ///< of the disk, shared; 0: it is in the tasks' own times
  double submit_s = 4e-6;    ///< the submitter's time for a task (4 to 7 us measured with StarPU 1.4)
  double overhead_s = 5e-6;  ///< a worker's time around a task
  unsigned seed = 1;         ///< of policies that draw lots
};

/// Seconds of a task alone on a worker of this kind.
using TaskSeconds = std::function<double(const runtime::Task&, runtime::Device)>;

/// How a policy of StarPU's is imitated: "central" (one queue by priority), "fifo" (one queue), "stealing" (a queue each), "random",
/// "earliest" (to the worker that would end it first). Policies not known here count as central.
std::string simulated_policy(const std::string& scheduler);

/// True for policies that draw lots: one simulation of them is one draw.
bool draws_lots(const std::string& scheduler);

/// @param predicted what the policy takes tasks to last when it decides; empty: what they last
/// @param tasks in the order of submission; `dependencies` of the same numbers: those without data hold the submitter back
/// @return a timeline as a run would leave it. Codelets with a CUDA body go to GPUs when there are any, as in strict runs.
runtime::Timeline simulate(const std::vector<runtime::Task>& tasks, const runtime::Dependencies& dependencies,
                           const std::vector<runtime::DataSpec>& data, const SimulatedMachine& machine,
                           const TaskSeconds& seconds, const TaskSeconds& predicted = {});

}  // namespace fringeflow::traces
