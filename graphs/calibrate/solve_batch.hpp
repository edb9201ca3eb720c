// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// How many solution intervals one task solves. Every interval is solved on its own, so that no choice here changes a bit.
#include <algorithm>
#include <cstdint>

#include "runtime/machine.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow::graphs {

/// Who solves.
struct Solvers {
  int cpus = 1, gpus = 0;
  static Solvers of(const runtime::RuntimeInfo& info) { return {info.cpus, info.gpus}; }
  /// Before they are there: GPUs count when they were asked for by number.
  static Solvers of(const RuntimeOptions& options) {
    return {options.cpus > 0 ? options.cpus : runtime::available_cores(), std::max(options.gpus, 0)};
  }
};

/// @param intervals to solve   @param fits of one   @param work of one, that of the codelet   @param room for the sums of as many
inline int64_t intervals_per_task(const Solvers& solvers, int64_t intervals, int64_t fits, double work,
                                  int64_t room) {
  // A task waits for all of its sums, while others' are made: there is room for two.
  const int64_t most = std::max<int64_t>(room / 2, 1);
  if (solvers.gpus > 0) {
    constexpr int64_t kFits = 512;  // a block of threads each: a few for every multiprocessor of a large GPU
    const int64_t each = std::max<int64_t>(fits, 1), tasks = 2 * solvers.gpus;
    return std::clamp((kFits + each - 1) / each, int64_t{1},
                      std::min(most, std::max<int64_t>(intervals / tasks, 1)));
  }
  // Of the work, most fits need a fifth or less: tasks of a few milliseconds.
  constexpr double kWork = 2e7;
  const int64_t tasks = 4 * solvers.cpus;
  return std::clamp(static_cast<int64_t>(kWork / std::max(work, 1.)), int64_t{1},
                    std::min(most, std::max<int64_t>(intervals / tasks, 1)));
}

}  // namespace fringeflow::graphs
