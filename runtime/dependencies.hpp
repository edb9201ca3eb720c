// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Which tasks a task waits for: StarPU's sequential consistency, followed from the accesses in the order of submission.
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime/codelet.hpp"

namespace fringeflow::runtime {

/// A task waits for an earlier one, because of a piece of data or (data -1) because the submitter waited for it.
struct Dependency {
  int64_t task = -1;
  DataId data = -1;
};

/// Not for several threads: submission is one thread's.
class Dependencies {
 public:
  /// Notes the next task. @return its number, counted from 0.
  int64_t submit(std::span<const std::pair<DataId, Access>> accesses);
  /// The next task with what it waits for, known from elsewhere (a file).
  int64_t append(std::span<const Dependency> dependencies);
  /// The submitter has waited for this task: those submitted later depend on it.
  void wait(int64_t task);

  int64_t tasks() const { return static_cast<int64_t>(first_.size()) - 1; }
  /// What a task waits for, by number, each once.
  std::span<const Dependency> of(int64_t task) const;

 private:
  struct LastUse {
    int64_t writer = -1;
    std::vector<int64_t> readers;
  };
  struct Barrier {
    int64_t task, tasks_then;
  };
  std::vector<LastUse> uses_;
  std::vector<Barrier> barriers_;
  std::vector<int64_t> first_{0};  ///< of task i in all_; one more at the end
  std::vector<Dependency> all_;
};

}  // namespace fringeflow::runtime
