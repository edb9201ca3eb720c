// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A timeline in the forms that other tools read.
#include <string>

#include "runtime/timeline.hpp"

namespace fringeflow::traces {

/// Paje, for ViTE and pj_dump: one container per worker, a state per task named after its codelet. Times in ms from the first submission.
std::string paje(const runtime::Timeline& timeline);

/// StarPU's tasks.rec, for recutils and StarVZ: one record per task. Times in ms from the first submission.
std::string tasks_rec(const runtime::Timeline& timeline);

/// The graph of tasks as Graphviz's dot, as StarPU's dag.dot.
std::string dag_dot(const runtime::Timeline& timeline);

}  // namespace fringeflow::traces
