// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace fringeflow::traces {

using runtime::Role;
using runtime::TaskRecord;
using runtime::Timeline;

namespace {

/// Times with I/O, with data on their way to a GPU, with at least one and with at least two compute tasks running.
void overlaps(const Timeline& timeline, Metrics& result) {
  struct Edge {
    double at;
    int compute, io, transfers;
  };
  std::vector<Edge> edges;
  for (const auto& task : timeline.tasks) {
    const bool io = timeline.workers[static_cast<size_t>(task.worker)].role == Role::io;
    edges.push_back({task.start_s, io ? 0 : 1, io ? 1 : 0, 0});
    edges.push_back({task.end_s, io ? 0 : -1, io ? -1 : 0, 0});
    if (task.device != runtime::Device::cuda || !(task.fetch_s > 0)) continue;
    edges.push_back({task.start_s - task.fetch_s, 0, 0, 1});
    edges.push_back({task.start_s, 0, 0, -1});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });
  double under_io = 0, hidden = 0, at_least_two = 0, last = 0, hidden_transfers = 0;
  int compute = 0, io = 0, transfers = 0;
  for (const auto& edge : edges) {
    const double span = edge.at - last;
    if (io > 0) under_io += span;
    if (io > 0 && compute > 0) hidden += span;
    if (compute > 1) at_least_two += span;
    if (transfers > 0) result.transfers_s += span;
    if (transfers > 0 && compute > 0) hidden_transfers += span;
    last = edge.at;
    compute += edge.compute;
    io += edge.io;
    transfers += edge.transfers;
  }
  if (result.makespan_s > 0) result.serial_share = std::clamp(1 - at_least_two / result.makespan_s, 0.0, 1.0);
  if (under_io > 0) result.hidden_io = hidden / under_io;
  if (result.transfers_s > 0) result.hidden_transfers = hidden_transfers / result.transfers_s;
}

void worker_times(const Timeline& timeline, Metrics& result) {
  result.workers.resize(timeline.workers.size());
  std::vector<double> free_since(timeline.workers.size(), timeline.begin_s);
  std::vector<double> releasing(timeline.workers.size(), 0.0);  // of the task before
  const double end = timeline.begin_s + timeline.makespan_s;
  auto gap_until = [&](size_t worker, double until, double fetching) {
    auto& time = result.workers[worker];
    const double gap = std::max(0.0, until - free_since[worker]);
    const double fetched = std::min(gap, fetching), overhead = std::min(gap - fetched, releasing[worker]);
    time.fetching_s += fetched;
    time.overhead_s += overhead;
    time.idle_s += gap - fetched - overhead;
  };
  for (const auto& task : timeline.tasks) {  // by start
    const auto worker = static_cast<size_t>(task.worker);
    gap_until(worker, task.start_s, task.fetch_s);
    // Tasks of a GPU overlap.
    result.workers[worker].busy_s += std::max(0.0, task.end_s - std::max(task.start_s, free_since[worker]));
    free_since[worker] = std::max(free_since[worker], task.end_s);
    releasing[worker] = task.overhead_s;
  }
  for (size_t worker = 0; worker < timeline.workers.size(); ++worker) gap_until(worker, end, 0);
}

void critical_path(const Timeline& timeline, Metrics& result) {
  const auto count = static_cast<size_t>(timeline.dependencies.tasks());
  std::vector<double> seconds(count, 0.0), finish(count, 0.0);
  std::vector<int64_t> before(count, -1);
  for (const auto& task : timeline.tasks)
    if (task.id >= 0 && static_cast<size_t>(task.id) < count)
      seconds[static_cast<size_t>(task.id)] = task.end_s - task.start_s;
  int64_t last = -1;
  for (size_t id = 0; id < count; ++id) {  // those that a task waits for have smaller numbers
    for (const auto& one : timeline.dependencies.of(static_cast<int64_t>(id)))
      if (finish[static_cast<size_t>(one.task)] > finish[id]) {
        finish[id] = finish[static_cast<size_t>(one.task)];
        before[id] = one.task;
      }
    finish[id] += seconds[id];
    if (last < 0 || finish[id] > finish[static_cast<size_t>(last)]) last = static_cast<int64_t>(id);
  }
  if (last < 0) return;
  result.critical_path_s = finish[static_cast<size_t>(last)];
  for (; last >= 0; last = before[static_cast<size_t>(last)]) result.critical_path.push_back(last);
  std::reverse(result.critical_path.begin(), result.critical_path.end());
}

}  // namespace

double Metrics::efficiency() const {
  return makespan_s > 0 ? std::max(area_bound_s, critical_path_s) / makespan_s : 1;
}

Metrics metrics(const Timeline& timeline) {
  Metrics result;
  result.makespan_s = timeline.makespan_s;
  overlaps(timeline, result);
  worker_times(timeline, result);
  critical_path(timeline, result);
  double measured = 0, wrong = 0, in_bodies = 0, on_cores = 0;
  for (const auto& task : timeline.tasks) {
    const double seconds = task.end_s - task.start_s;
    measured += seconds;
    if (task.cpu_s >= 0 && task.codelet->role == Role::compute) {
      in_bodies += seconds;
      on_cores += std::min(task.cpu_s, seconds);
    }
    wrong += std::abs(task.predicted_s - seconds);
    result.flops += task.work * task.codelet->flops_per_work;
    result.task_bytes += task.bytes;
  }
  if (in_bodies > 0) result.off_core_share = 1 - on_cores / in_bodies;
  if (measured > 0) result.model_error = wrong / measured;
  int64_t compute_workers = 0;
  double busiest = 0, around = 0;
  for (size_t i = 0; i < timeline.workers.size(); ++i) {
    const auto& time = result.workers[i];
    const bool compute = timeline.workers[i].role == Role::compute;
    (compute ? result.busy_compute_s : result.busy_io_s) += time.busy_s;
    around += time.overhead_s + time.fetching_s;
    if (!compute) continue;
    ++compute_workers;
    busiest = std::max(busiest, time.busy_s);
  }
  if (compute_workers > 0) result.area_bound_s = result.busy_compute_s / static_cast<double>(compute_workers);
  if (result.area_bound_s > 0) result.load_imbalance = busiest / result.area_bound_s;
  if (result.makespan_s > 0) {
    result.utilisation = std::min(1.0, result.area_bound_s / result.makespan_s);
    result.overhead_share = around / (result.makespan_s * static_cast<double>(timeline.workers.size()));
  }
  return result;
}

nlohmann::json to_json(const Metrics& metrics, const Timeline& timeline) {
  nlohmann::json json{{"makespan_s", metrics.makespan_s},
                      {"utilisation", metrics.utilisation},
                      {"hidden_transfers", metrics.hidden_transfers},
                      {"transfers_s", metrics.transfers_s},
                      {"hidden_io", metrics.hidden_io},
                      {"serial_share", metrics.serial_share},
                      {"area_bound_s", metrics.area_bound_s},
                      {"critical_path_s", metrics.critical_path_s},
                      {"efficiency", metrics.efficiency()},
                      {"load_imbalance", metrics.load_imbalance},
                      {"off_core_share", metrics.off_core_share},
                      {"overhead_share", metrics.overhead_share},
                      {"compute_busy_s", metrics.busy_compute_s},
                      {"io_busy_s", metrics.busy_io_s},
                      {"model_error", metrics.model_error},
                      {"tasks", timeline.tasks.size()},
                      {"flops", metrics.flops},
                      {"task_bytes", metrics.task_bytes},
                      {"codelets", per_codelet(timeline, metrics)},
                      {"workers", nlohmann::json::array()}};
  for (size_t i = 0; i < timeline.workers.size(); ++i) {
    const auto& time = metrics.workers[i];
    const auto& worker = timeline.workers[i];
    json["workers"].push_back({{"name", worker.name},
                               {"role", worker.role == Role::io                  ? "io"
                                        : worker.device == runtime::Device::cuda ? "gpu"
                                                                                 : "compute"},
                               {"busy_s", time.busy_s},
                               {"fetching_s", time.fetching_s},
                               {"overhead_s", time.overhead_s},
                               {"idle_s", time.idle_s}});
  }
  return json;
}

nlohmann::json memory_over_time(const Timeline& timeline, size_t most) {
  auto list = nlohmann::json::array();
  const auto add = [&](const std::string& name, const std::vector<runtime::MemorySample>& samples) {
    if (samples.empty()) return;
    auto over_time = nlohmann::json::array();
    int64_t peak = 0;
    const size_t each = (samples.size() + most - 1) / most;
    for (size_t i = 0; i < samples.size(); i += each) {
      const auto end = samples.begin() + static_cast<std::ptrdiff_t>(std::min(i + each, samples.size()));
      const auto largest = std::max_element(samples.begin() + static_cast<std::ptrdiff_t>(i), end,
                                            [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
      over_time.push_back({std::round(largest->at_s * 1e6) * 1e-6, largest->bytes});
      peak = std::max(peak, largest->bytes);
    }
    list.push_back({{"name", name}, {"peak_bytes", peak}, {"over_time", std::move(over_time)}});
  };
  add("process", timeline.memory);
  for (const auto& node : timeline.nodes) add(node.name, node.samples);
  return list;
}

nlohmann::json per_codelet(const Timeline& timeline, const Metrics& metrics) {
  struct Sums {
    std::vector<double> seconds, queued;
    double work = 0, predicted = 0, critical = 0, flops = 0;
    int64_t bytes = 0;
  };
  std::map<std::string, Sums> all;
  for (const auto& task : timeline.tasks) {
    auto& sums = all[task.codelet->name];
    const double seconds = task.end_s - task.start_s;
    sums.seconds.push_back(seconds);
    sums.queued.push_back(std::max(0.0, task.start_s - task.ready_s));
    sums.work += task.work;
    sums.flops += task.work * task.codelet->flops_per_work;
    sums.predicted += task.predicted_s;
    sums.bytes += task.bytes;
    if (std::binary_search(metrics.critical_path.begin(), metrics.critical_path.end(), task.id))
      sums.critical += seconds;
  }
  nlohmann::json json = nlohmann::json::object();
  for (auto& [name, sums] : all) {
    std::sort(sums.seconds.begin(), sums.seconds.end());
    std::sort(sums.queued.begin(), sums.queued.end());
    double total = 0;
    for (const double one : sums.seconds) total += one;
    const size_t count = sums.seconds.size();
    const double per_s = total > 0 ? 1 / total : 0;
    json[name] = {{"count", count},
                  {"total_s", total},
                  {"median_s", sums.seconds[count / 2]},
                  {"p95_s", sums.seconds[count * 95 / 100]},
                  {"queued_median_s", sums.queued[count / 2]},
                  {"predicted_s", sums.predicted},
                  {"critical_path_s", sums.critical},
                  {"work", sums.work},
                  {"work_per_s", sums.work * per_s},
                  {"gflop_s", sums.flops * per_s * 1e-9},
                  {"bytes", sums.bytes},
                  {"gb_s", static_cast<double>(sums.bytes) * per_s * 1e-9}};
  }
  return json;
}

}  // namespace fringeflow::traces
