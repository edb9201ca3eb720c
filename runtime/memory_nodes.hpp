// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the memories that hold a graph's data have in use.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/timeline.hpp"

namespace fringeflow::runtime {

/// Name and bytes of each memory, always in the same order: the graph's data in main memory, what StarPU has allocated in each GPU's,
/// and what is taken of each GPU's by whomever. Call while StarPU runs.
/// @param data_bytes of the data that tasks have written: their home is main memory, and is the program's own allocation
std::vector<std::pair<std::string, int64_t>> memory_nodes_in_use(int64_t data_bytes);

/// Every other sample goes when there are many, so that a run of a day keeps as many as one of an hour.
void thin(std::vector<MemorySample>& samples);

}  // namespace fringeflow::runtime
