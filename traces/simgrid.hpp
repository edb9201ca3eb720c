// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The same graph under StarPU's own SimGrid mode: StarPU itself schedules it, on a platform made from the machine's description.
/// Another process does that, fringeflow-simgrid, which is linked to a StarPU built for it (scripts/setup --simgrid).
#include <string>
#include <vector>

#include "runtime/timeline.hpp"
#include "traces/simulator.hpp"

namespace fringeflow::traces {

/// Where fringeflow-simgrid is: beside this program; empty: it was not built.
std::string simgrid_program();

/// As simulate(): I/O tasks share the disk's bandwidth, too. Overheads are StarPU's own. Throws UserError when fringeflow-simgrid is not there, RunError when it fails.
runtime::Timeline simulate_with_simgrid(const std::vector<runtime::Task>& tasks,
                                        const runtime::Dependencies& dependencies,
                                        const std::vector<runtime::DataSpec>& data,
                                        const SimulatedMachine& machine, const TaskSeconds& seconds,
                                        const TaskSeconds& predicted = {});

}  // namespace fringeflow::traces
