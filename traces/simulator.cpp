// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/simulator.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <queue>
#include <random>
#include <set>

namespace fringeflow::traces {
namespace {

using runtime::Access;
using runtime::Device;
using runtime::Role;
using runtime::Task;
using runtime::TaskRecord;

constexpr double kNever = std::numeric_limits<double>::infinity();

/// Tasks that wait for a worker: the highest priority first, of equal ones the earliest.
class Queue {
 public:
  void push(int64_t task, int priority) { tasks_.emplace(-priority, turn_++, task); }
  bool empty() const { return tasks_.empty(); }
  int64_t pop() {
    const auto task = std::get<2>(*tasks_.begin());
    tasks_.erase(tasks_.begin());
    return task;
  }

 private:
  std::set<std::tuple<int, int64_t, int64_t>> tasks_;
  int64_t turn_ = 0;
};

/// Transfers that share a bandwidth evenly.
class Disk {
 public:
  explicit Disk(double bytes_s) : bytes_s_(bytes_s) {}
  void advance(double now) {
    if (!active_.empty()) {
      const double each = (now - now_) * bytes_s_ / static_cast<double>(active_.size());
      for (auto& [bytes, worker] : active_) bytes -= each;
    }
    now_ = now;
  }
  void start(double now, double bytes, size_t worker) {
    advance(now);
    active_.emplace_back(bytes, worker);
  }
  double next_end() const {
    if (active_.empty()) return kNever;
    const auto least = std::min_element(active_.begin(), active_.end());
    return now_ + std::max(0.0, least->first) * static_cast<double>(active_.size()) / bytes_s_;
  }
  /// The worker whose transfer ends now.
  size_t finish(double now) {
    advance(now);
    const auto least = std::min_element(active_.begin(), active_.end());
    const size_t worker = least->second;
    active_.erase(least);
    return worker;
  }

 private:
  double bytes_s_, now_ = 0;
  std::vector<std::pair<double, size_t>> active_;
};

bool uses_priorities(const std::string& scheduler) {
  for (const char* part : {"prio", "auto", "lws", "dmdas", "dmdap"})
    if (scheduler.find(part) != std::string::npos) return true;
  return false;
}

enum class Kind { io, cpu, gpu };
struct Worker {
  Kind kind = Kind::cpu;
  int64_t task = -1;
  double busy_until = 0, expected_free = 0;
  bool body_done = false, disk_done = false;
  Queue queue;
};
struct Event {
  double at = 0;
  int64_t turn = 0;
  size_t worker = 0;
  enum { ends, released } what = ends;
  bool operator>(const Event& other) const { return std::tie(at, turn) > std::tie(other.at, other.turn); }
};

class Simulation {
 public:
  Simulation(const std::vector<Task>& tasks, const runtime::Dependencies& dependencies,
             const std::vector<runtime::DataSpec>& data, const SimulatedMachine& machine,
             const TaskSeconds& seconds, const TaskSeconds& predicted)
      : tasks_(tasks),
        dependencies_(dependencies),
        data_(data),
        machine_(machine),
        seconds_(seconds),
        predicted_(predicted ? predicted : seconds),
        policy_(simulated_policy(machine.scheduler)),
        knows_priorities_(uses_priorities(machine.scheduler)),
        read_disk_(machine.read_bytes_s),
        write_disk_(machine.write_bytes_s),
        random_(machine.seed) {
    if (tasks.empty()) next_submission_ = kNever;
    records_.resize(tasks.size());
    waits_for_.resize(tasks.size(), 0);
    followers_.resize(tasks.size());
    done_.resize(tasks.size(), false);
    valid_.resize(data.size(), 1);
    auto add = [&](Kind kind, int count) {
      for (int i = 0; i < count; ++i) {
        workers_.emplace_back();
        workers_.back().kind = kind;
      }
    };
    add(Kind::cpu, std::max(machine.cpus, 1));
    add(Kind::gpu, machine.gpus);
    add(Kind::io, std::max(machine.io_workers, 1));
  }

  runtime::Timeline run() {
    double now = 0;
    for (;;) {
      submit(now);
      start_what_can(now);
      const double submission = next_submission_;
      const double event = events_.empty() ? kNever : events_.top().at;
      const double disk = std::min(read_disk_.next_end(), write_disk_.next_end());
      const double next = std::min({submission, event, disk});
      if (next == kNever) break;
      now = std::max(now, next);
      if (event <= std::min(submission, disk)) {
        const Event e = events_.top();
        events_.pop();
        if (e.what == Event::ends)
          body_ends(e.worker, now);
        else
          workers_[e.worker].task = -1;
      } else if (disk <= submission) {
        auto& which = read_disk_.next_end() <= write_disk_.next_end() ? read_disk_ : write_disk_;
        const size_t worker = which.finish(now);
        workers_[worker].disk_done = true;
        if (workers_[worker].body_done) task_ends(worker, now);
      }
    }
    return timeline();
  }

 private:
  Kind kind_of(int64_t task) const {
    const auto& codelet = *tasks_[static_cast<size_t>(task)].codelet;
    if (codelet.role == Role::io) return Kind::io;
    return machine_.gpus > 0 && codelet.cuda != nullptr ? Kind::gpu : Kind::cpu;
  }

  void submit(double now) {
    while (next_ < tasks_.size() && next_submission_ <= now) {
      const auto id = static_cast<int64_t>(next_);
      const auto before = dependencies_.of(id);
      if (std::any_of(before.begin(), before.end(), [&](const auto& one) {
            return one.data < 0 && !done_[static_cast<size_t>(one.task)];
          })) {
        next_submission_ = kNever;  // the submitter waits; the end of that task brings it back
        return;
      }
      int waits = 0;
      for (const auto& one : before) {
        if (done_[static_cast<size_t>(one.task)]) continue;
        followers_[static_cast<size_t>(one.task)].push_back(id);
        ++waits;
      }
      records_[next_].submit_s = now;
      waits_for_[next_] = waits;
      if (waits == 0) becomes_ready(id, now, -1);
      ++next_;
      next_submission_ = next_ < tasks_.size() ? now + machine_.submit_s : kNever;
    }
  }

  void becomes_ready(int64_t id, double now, int64_t by_worker) {
    const auto i = static_cast<size_t>(id);
    records_[i].ready_s = now;
    const Kind kind = kind_of(id);
    const int priority = kind == Kind::io || knows_priorities_ ? tasks_[i].priority : 0;
    if (kind == Kind::io || policy_ == "central" || policy_ == "fifo") {
      central_[static_cast<size_t>(kind)].push(id, priority);
      return;
    }
    std::vector<size_t> able;
    for (size_t w = 0; w < workers_.size(); ++w)
      if (workers_[w].kind == kind) able.push_back(w);
    size_t chosen = able[turn_++ % able.size()];
    if (policy_ == "stealing" && by_worker >= 0 && workers_[static_cast<size_t>(by_worker)].kind == kind)
      chosen = static_cast<size_t>(by_worker);
    if (policy_ == "random") chosen = able[random_() % able.size()];
    if (policy_ == "earliest") {
      chosen = *std::min_element(able.begin(), able.end(), [&](size_t a, size_t b) {
        return workers_[a].expected_free < workers_[b].expected_free;
      });
      auto& free = workers_[chosen].expected_free;
      free = std::max(free, now) + thought_seconds(id, kind);
    }
    workers_[chosen].queue.push(id, priority);
  }

  double body_seconds(int64_t id, Kind kind) const {
    return seconds_(tasks_[static_cast<size_t>(id)], kind == Kind::gpu ? Device::cuda : Device::cpu);
  }

  double thought_seconds(int64_t id, Kind kind) const {
    return predicted_(tasks_[static_cast<size_t>(id)], kind == Kind::gpu ? Device::cuda : Device::cpu);
  }

  int64_t take(size_t w) {
    auto& worker = workers_[w];
    if (!worker.queue.empty()) return worker.queue.pop();
    auto& central = central_[static_cast<size_t>(worker.kind)];
    if (!central.empty()) return central.pop();
    if (policy_ == "stealing" && worker.kind != Kind::io)
      for (auto& other : workers_)
        if (other.kind == worker.kind && !other.queue.empty()) return other.queue.pop();
    return -1;
  }

  void start_what_can(double now) {
    for (size_t w = 0; w < workers_.size(); ++w) {
      if (workers_[w].task >= 0) continue;
      const int64_t id = take(w);
      if (id >= 0) start(w, id, now);
    }
  }

  /// Seconds until the task's data are where the worker is; afterwards they are.
  double fetch(size_t w, const Task& task) {
    if (machine_.gpus == 0) return 0;
    const uint64_t here = workers_[w].kind == Kind::gpu ? uint64_t{2} << (w - first_gpu()) : 1;
    double bytes = 0;
    for (const auto& [data, access] : task.data) {
      auto& valid = valid_[static_cast<size_t>(data)];
      if (access != Access::write && (valid & here) == 0)
        bytes += static_cast<double>(data_[static_cast<size_t>(data)].bytes);
      valid = access == Access::read ? valid | here : here;
    }
    return bytes / machine_.link_bytes_s;
  }
  size_t first_gpu() const { return static_cast<size_t>(std::max(machine_.cpus, 1)); }

  void start(size_t w, int64_t id, double now) {
    auto& worker = workers_[w];
    const auto& task = tasks_[static_cast<size_t>(id)];
    auto& record = records_[static_cast<size_t>(id)];
    worker.task = id;
    record.worker = static_cast<int>(w);
    record.fetch_s = fetch(w, task);
    record.start_s = now + record.fetch_s;
    const double seconds = body_seconds(id, worker.kind);
    record.predicted_s = thought_seconds(id, worker.kind);
    worker.body_done = false;
    worker.disk_done = true;
    if (worker.kind == Kind::io) {
      double read = 0, written = 0;
      for (const auto& [data, access] : task.data)
        (access == Access::read ? written : read) +=
            static_cast<double>(data_[static_cast<size_t>(data)].bytes);
      const bool writes = written > read;
      if ((writes ? machine_.write_bytes_s : machine_.read_bytes_s) > 0) {
        worker.disk_done = false;
        (writes ? write_disk_ : read_disk_).start(now, std::max(read, written), w);
      }
    }
    events_.push({record.start_s + seconds, event_turn_++, w, Event::ends});
  }

  void body_ends(size_t w, double now) {
    workers_[w].body_done = true;
    if (workers_[w].disk_done) task_ends(w, now);
  }

  void task_ends(size_t w, double now) {
    auto& worker = workers_[w];
    const int64_t id = worker.task;
    auto& record = records_[static_cast<size_t>(id)];
    record.end_s = now;
    record.overhead_s = machine_.overhead_s;
    done_[static_cast<size_t>(id)] = true;
    for (const int64_t follower : followers_[static_cast<size_t>(id)])
      if (--waits_for_[static_cast<size_t>(follower)] == 0)
        becomes_ready(follower, now, static_cast<int64_t>(w));
    if (next_submission_ == kNever && next_ < tasks_.size()) next_submission_ = now + machine_.submit_s;
    events_.push({now + machine_.overhead_s, event_turn_++, w, Event::released});
  }

  runtime::Timeline timeline() {
    runtime::Timeline result;
    int number = 0;
    for (const auto& worker : workers_) {
      const char* name = worker.kind == Kind::gpu ? "GPU" : "CPU";
      result.workers.push_back({std::string(name) + " " + std::to_string(number++),
                                worker.kind == Kind::io ? Role::io : Role::compute,
                                worker.kind == Kind::gpu ? Device::cuda : Device::cpu});
    }
    for (size_t i = 0; i < tasks_.size(); ++i) {
      if (!done_[i]) continue;
      auto& record = records_[i];
      record.codelet = tasks_[i].codelet;
      record.tag = tasks_[i].tag;
      record.id = static_cast<int64_t>(i);
      record.device = result.workers[static_cast<size_t>(record.worker)].device;
      record.work = record.codelet->work != nullptr ? record.codelet->work(tasks_[i].arguments.get()) : 1;
      for (const auto& [id, access] : tasks_[i].data) record.bytes += data_[static_cast<size_t>(id)].bytes;
      result.makespan_s = std::max(result.makespan_s, record.end_s);
      result.tasks.push_back(record);
    }
    std::stable_sort(result.tasks.begin(), result.tasks.end(),
                     [](const auto& a, const auto& b) { return a.start_s < b.start_s; });
    result.dependencies = dependencies_;
    result.data = data_;
    return result;
  }

  const std::vector<Task>& tasks_;
  const runtime::Dependencies& dependencies_;
  const std::vector<runtime::DataSpec>& data_;
  const SimulatedMachine& machine_;
  const TaskSeconds seconds_, predicted_;
  std::string policy_;
  bool knows_priorities_;
  Disk read_disk_, write_disk_;
  std::vector<TaskRecord> records_;
  std::vector<int> waits_for_;
  std::vector<std::vector<int64_t>> followers_;
  std::vector<bool> done_;
  std::vector<uint64_t> valid_;  ///< where a piece of data is: bit 0 the host, then the GPUs
  std::vector<Worker> workers_;
  Queue central_[3];
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  int64_t event_turn_ = 0;
  size_t next_ = 0, turn_ = 0;
  double next_submission_ = 0;
  std::minstd_rand random_;
};

}  // namespace

std::string simulated_policy(const std::string& scheduler) {
  auto has = [&](const char* part) { return scheduler.find(part) != std::string::npos; };
  if (has("heft") || scheduler.starts_with("dm")) return "earliest";
  if (has("random")) return "random";
  if (has("ws")) return "stealing";
  if (has("prio") || scheduler == "auto" || has("heteroprio")) return "central";
  if (has("eager") || has("fifo")) return "fifo";
  return "central";
}

bool draws_lots(const std::string& scheduler) { return simulated_policy(scheduler) == "random"; }

runtime::Timeline simulate(const std::vector<Task>& tasks, const runtime::Dependencies& dependencies,
                           const std::vector<runtime::DataSpec>& data, const SimulatedMachine& machine,
                           const TaskSeconds& seconds, const TaskSeconds& predicted) {
  return Simulation(tasks, dependencies, data, machine, seconds, predicted).run();
}

}  // namespace fringeflow::traces
