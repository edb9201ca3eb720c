// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/joined.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace fringeflow::traces {

runtime::Timeline joined(std::span<const runtime::Timeline> timelines) {
  runtime::Timeline result;
  int64_t tasks = 0, last = -1;
  for (const auto& one : timelines) {
    if (result.workers.empty()) result.workers = one.workers;
    const auto same = [](const auto& a, const auto& b) { return a.role == b.role && a.device == b.device; };
    if (!std::equal(one.workers.begin(), one.workers.end(), result.workers.begin(), result.workers.end(),
                    same))
      throw std::invalid_argument("timelines of different workers cannot be joined");
    const double later_s = result.makespan_s - one.begin_s;
    const auto data = static_cast<runtime::DataId>(result.data.size());
    result.data.insert(result.data.end(), one.data.begin(), one.data.end());
    std::vector<runtime::Dependency> waits;
    for (int64_t id = 0; id < one.dependencies.tasks(); ++id) {
      waits.clear();
      for (const auto& before : one.dependencies.of(id))
        waits.push_back({before.task + tasks, before.data < 0 ? before.data : before.data + data});
      if (waits.empty() && last >= 0) waits.push_back({last, -1});
      result.dependencies.append(waits);
    }
    double end_s = -1;
    int64_t last_here = last;
    for (auto task : one.tasks) {
      if (task.end_s > end_s) {
        end_s = task.end_s;
        last_here = task.id + tasks;
      }
      task.id += tasks;
      for (double* at : {&task.submit_s, &task.ready_s, &task.start_s, &task.end_s}) *at += later_s;
      result.tasks.push_back(task);
    }
    last = last_here;
    for (auto sample : one.memory) {
      sample.at_s += later_s;
      result.memory.push_back(sample);
    }
    for (size_t i = 0; i < one.nodes.size(); ++i) {
      if (i >= result.nodes.size()) result.nodes.push_back({one.nodes[i].name, {}});
      for (auto sample : one.nodes[i].samples) {
        sample.at_s += later_s;
        result.nodes[i].samples.push_back(sample);
      }
    }
    tasks += one.dependencies.tasks();
    result.makespan_s += one.makespan_s;
    result.transferred_bytes += one.transferred_bytes;
  }
  std::stable_sort(result.tasks.begin(), result.tasks.end(),
                   [](const auto& a, const auto& b) { return a.start_s < b.start_s; });
  return result;
}

}  // namespace fringeflow::traces
