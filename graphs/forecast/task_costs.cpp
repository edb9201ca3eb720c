// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/forecast/task_costs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "codelets/registry.hpp"
#include "io/error.hpp"

namespace fringeflow::graphs {
namespace {

/// The same codelet on the same piece of the same work.
bool is_like(const runtime::Task& task, const runtime::TaskRecord& record) {
  const double work = task.codelet->work != nullptr ? task.codelet->work(task.arguments.get()) : 1;
  return task.codelet->name == std::string_view(record.codelet->name) && task.tag == record.tag &&
         std::abs(work - record.work) <= 1e-6 * std::abs(record.work);
}

}  // namespace

using runtime::CostModel;
using runtime::Device;

TaskCosts::TaskCosts(const traces::MachineDescription& machine, const traces::StoredRun* recorded,
                     const std::vector<runtime::Task>& tasks)
    : machine_(machine), records_(CostModel::default_file()), costs_(records_) {
  const auto known = all_codelets();
  for (const auto& [name, unused] : machine.rates)
    if (std::none_of(known.begin(), known.end(), [&](const auto* codelet) { return codelet->name == name; }))
      throw UserError(
          fmt::format("{}: rates: there is no codelet '{}' (fringeflow list codelets)", machine.name, name));
  if (!machine.models_file.empty()) {
    there_ = std::make_unique<CostModel>(machine.models_file);
    if (there_->records().empty())
      throw UserError(
          fmt::format("{}: models: {}: no records in it (fringeflow models export makes such files)",
                      machine.name, machine.models_file));
  }
  if (recorded == nullptr) return;
  const auto& run = recorded->timeline().timeline();
  // What others did to the run is spread over all of its tasks: it will not be the same ones that they interrupt.
  double lasted_s = 0, own_s = 0;
  for (const auto& task : run.tasks)
    if (task.codelet->role == runtime::Role::compute) {
      lasted_s += task.end_s - task.start_s;
      own_s += runtime::own_seconds(task);
    }
  const double stretch = own_s > 0 ? lasted_s / own_s : 1;
  const auto lasted = [&](const runtime::TaskRecord& task) {
    return runtime::own_seconds(task) * (task.codelet->role == runtime::Role::compute ? stretch : 1);
  };
  runtime::CostSamples samples;
  bool same = machine.name == "this" && run.tasks.size() == tasks.size();
  for (const auto& task : run.tasks) {
    const double seconds = lasted(task);
    same = same && task.id >= 0 && task.id < static_cast<int64_t>(tasks.size()) &&
           is_like(tasks[static_cast<size_t>(task.id)], task);
    around_s_ += task.fetch_s + task.overhead_s;
    ++tasks_;
    if (!(task.work > 0) || !(seconds > 0)) continue;
    samples[CostModel::key(*task.codelet, task.device)].push_back({task.work, seconds});
    auto& sum = by_cycle_[key(*task.codelet, task.device, task.tag.cycle, task.work)];
    sum.work += task.work;
    sum.seconds += seconds;
  }
  if (same)
    for (const auto& task : run.tasks) of_task_[&tasks[static_cast<size_t>(task.id)]] = lasted(task);
  slowdown_ = slowdown_since(run);
  costs_.prefer(samples);
}

double TaskCosts::seconds(const runtime::Task& task, Device device) {
  const auto& codelet = *task.codelet;
  const double work = codelet.work != nullptr ? codelet.work(task.arguments.get()) : 1;
  if (const auto rate = machine_.rates.find(codelet.name); rate != machine_.rates.end())
    if (const double per_s = device == Device::cuda ? rate->second.gpu : rate->second.cpu; per_s > 0) {
      declared_.insert(codelet.name);
      return work / per_s;
    }
  if (there_ != nullptr && there_->recorded(codelet, device)) {
    recorded_.insert(codelet.name);
    return there_->seconds_for(codelet, work, device);
  }
  const double speed = codelet.role == runtime::Role::io ? 1
                       : device == Device::cuda          ? machine_.gpu_speed
                                                         : machine_.core_speed;
  (costs_.recorded(codelet, device) ? recorded_ : declared_).insert(codelet.name);
  if (const auto own = of_task_.find(&task); own != of_task_.end() && own->second > 0)
    return slowdown_ * own->second / speed;
  const auto found = by_cycle_.find(key(codelet, device, task.tag.cycle, work));
  if (found != by_cycle_.end()) return slowdown_ * work * found->second.seconds / found->second.work / speed;
  return costs_.seconds_for(codelet, work, device) / speed;
}

double TaskCosts::thought(const runtime::Task& task, Device device) const {
  return records_.seconds(*task.codelet, task.arguments.get(), device);
}

/// At most 15 % either way: the records are of other work too, which a size alone does not tell from this.
/// Over the kinds of tasks of the run, the median of (recorded median now / median in the run), weighted by their time in the run.
double TaskCosts::slowdown_since(const runtime::Timeline& run) const {
  std::map<Key, std::pair<const runtime::TaskRecord*, std::vector<double>>> kinds;
  for (const auto& task : run.tasks) {
    if (!(task.work > 0) || task.codelet->role == runtime::Role::io) continue;
    auto& [example, seconds] = kinds[key(*task.codelet, task.device, 0, task.work)];
    example = &task;
    seconds.push_back(runtime::own_seconds(task) / task.work);
  }
  std::vector<std::pair<double, double>> ratios;  // ratio, weight
  double all = 0;
  for (auto& [unused, kind] : kinds) {
    auto& [example, rates] = kind;
    if (!records_.recorded(*example->codelet, example->device)) continue;
    const auto middle = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2);
    std::nth_element(rates.begin(), middle, rates.end());
    const double then = *middle * example->work;
    if (!(then > 0)) continue;
    const double weight = then * static_cast<double>(rates.size());
    ratios.emplace_back(records_.seconds_for(*example->codelet, example->work, example->device) / then,
                        weight);
    all += weight;
  }
  std::sort(ratios.begin(), ratios.end());
  double below = 0;
  for (const auto& [ratio, weight] : ratios)
    if ((below += weight) >= all / 2) return std::clamp(ratio, 0.85, 1.15);
  return 1;
}

TaskCosts::Key TaskCosts::key(const runtime::CodeletDef& codelet, Device device, int32_t cycle, double work) {
  return {CostModel::key(codelet, device), cycle,
          work > 0 ? static_cast<int>(std::floor(std::log2(work))) : 0};
}

}  // namespace fringeflow::graphs
