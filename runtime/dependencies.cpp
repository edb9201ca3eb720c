// SPDX-License-Identifier: GPL-3.0-or-later
#include "runtime/dependencies.hpp"

#include <algorithm>

namespace fringeflow::runtime {

int64_t Dependencies::submit(std::span<const std::pair<DataId, Access>> accesses) {
  const int64_t task = tasks();
  const auto begin = static_cast<std::ptrdiff_t>(all_.size());
  for (const auto& barrier : barriers_) all_.push_back({barrier.task, -1});
  for (const auto& [data, access] : accesses) {
    if (static_cast<size_t>(data) >= uses_.size()) uses_.resize(static_cast<size_t>(data) + 1);
    auto& use = uses_[static_cast<size_t>(data)];
    if (use.writer >= 0 && use.writer != task) all_.push_back({use.writer, data});
    if (access == Access::read) {
      use.readers.push_back(task);
      continue;
    }
    for (const int64_t reader : use.readers)
      if (reader != task) all_.push_back({reader, data});
    use.readers.clear();
    use.writer = task;
  }
  // Of several reasons to wait for one task, data say more than the submitter's wait.
  std::sort(all_.begin() + begin, all_.end(), [](const auto& a, const auto& b) {
    return a.task != b.task ? a.task < b.task : a.data > b.data;
  });
  all_.erase(std::unique(all_.begin() + begin, all_.end(),
                         [](const auto& a, const auto& b) { return a.task == b.task; }),
             all_.end());
  first_.push_back(static_cast<int64_t>(all_.size()));
  return task;
}

int64_t Dependencies::append(std::span<const Dependency> dependencies) {
  all_.insert(all_.end(), dependencies.begin(), dependencies.end());
  first_.push_back(static_cast<int64_t>(all_.size()));
  return tasks() - 1;
}

void Dependencies::wait(int64_t task) {
  // A task submitted after an earlier wait depends on what was waited for then.
  std::erase_if(barriers_, [&](const auto& barrier) { return barrier.tasks_then <= task; });
  barriers_.push_back({task, tasks()});
}

std::span<const Dependency> Dependencies::of(int64_t task) const {
  const auto i = static_cast<size_t>(task);
  if (task < 0 || i + 1 >= first_.size()) return {};
  return {all_.data() + first_[i], static_cast<size_t>(first_[i + 1] - first_[i])};
}

}  // namespace fringeflow::runtime
