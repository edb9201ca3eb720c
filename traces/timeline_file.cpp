// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/timeline_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "io/atomic_file.hpp"
#include "io/error.hpp"

namespace fringeflow::traces {

using runtime::Device;
using runtime::Role;
using runtime::TaskRecord;
using runtime::Timeline;

namespace {

constexpr int kFormat = 2;
constexpr const char* kTransfer = "transfer";
constexpr const char* kResident = "resident memory";
constexpr std::array<std::pair<const char*, int32_t runtime::Tag::*>, 6> kTags{
    {{"chunk", &runtime::Tag::chunk},
     {"facet", &runtime::Tag::facet},
     {"cycle", &runtime::Tag::cycle},
     {"slab", &runtime::Tag::slab},
     {"strip", &runtime::Tag::strip},
     {"image", &runtime::Tag::image}}};

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

/// Seconds below which a task is left out.
double shortest_kept(const Timeline& timeline, size_t most) {
  if (timeline.tasks.size() <= most) return 0;
  std::vector<double> seconds;
  for (const auto& task : timeline.tasks) seconds.push_back(task.end_s - task.start_s);
  const auto at = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() - most);
  std::nth_element(seconds.begin(), at, seconds.end());
  return std::nextafter(*at, 1e300);  // ties go, so that no more than `most` stay
}

/// Rows of the trace: one for each worker; a further one where tasks of a GPU overlap, because slices of one row must not; one for the
/// transfers to each GPU. Further rows have the numbers after the workers'.
class Rows {
 public:
  Rows(const Timeline& timeline, double shortest) {
    std::vector<std::vector<double>> free_from(timeline.workers.size(), {0.0});
    int next = static_cast<int>(timeline.workers.size());
    for (const auto& task : timeline.tasks) {  // by start
      if (task.end_s - task.start_s < shortest) continue;
      auto& free = free_from[static_cast<size_t>(task.worker)];
      size_t lane = 0;
      while (lane < free.size() && free[lane] > task.start_s) ++lane;
      if (lane == free.size()) free.push_back(0);
      free[lane] = task.end_s;
      int row = task.worker;
      if (lane > 0) {
        const auto [at, fresh] = rows_.try_emplace({task.worker, lane}, next);
        if (fresh)
          further_.emplace_back(next++, fmt::format("{} ({})", name(timeline, task.worker), lane + 1));
        row = at->second;
      }
      row_of_.push_back(row);
      if (task.device != Device::cuda || task.fetch_s < kShortestTransferS) continue;
      // Data of the next task can come while this one computes; transfers of one worker are drawn one after the other.
      const auto [at, fresh] = transfers_.try_emplace(task.worker, next, 0.0);
      if (fresh) further_.emplace_back(next++, fmt::format("{} transfers", name(timeline, task.worker)));
      auto& [to, until] = at->second;
      const double begin = std::max(until, task.start_s - task.fetch_s);
      if (begin >= task.start_s) continue;
      until = task.start_s;
      arrivals_.push_back({to, task.id, begin, task.start_s});
    }
  }

  struct Arrival {
    int row;
    int64_t task;
    double begin_s, end_s;
  };
  int row_of(size_t kept) const { return row_of_[kept]; }
  const std::vector<std::pair<int, std::string>>& further() const { return further_; }
  const std::vector<Arrival>& arrivals() const { return arrivals_; }

 private:
  static constexpr double kShortestTransferS = 1e-6;
  static std::string name(const Timeline& timeline, int worker) {
    return timeline.workers[static_cast<size_t>(worker)].name;
  }
  std::vector<int> row_of_;  ///< of the tasks that are kept
  std::vector<std::pair<int, std::string>> further_;
  std::map<std::pair<int, size_t>, int> rows_;
  std::map<int, std::pair<int, double>> transfers_;
  std::vector<Arrival> arrivals_;
};

/// Nanoseconds as microseconds with three digits: what touches in time touches in the file, too.
std::string microseconds(double s) {
  const auto ns = std::llround(s * 1e9);
  return fmt::format("{}.{:03}", ns / 1000, ns % 1000);
}
std::string length(double begin_s, double end_s) {
  const auto ns = std::llround(end_s * 1e9) - std::llround(begin_s * 1e9);
  return fmt::format("{}.{:03}", ns / 1000, ns % 1000);
}

void add_task(fmt::memory_buffer& out, const TaskRecord& task, int row, double zero_s,
              const Timeline& timeline) {
  auto to = std::back_inserter(out);
  fmt::format_to(to,
                 ",\n{{\"ph\":\"X\",\"name\":\"{}\",\"cat\":\"{}\",\"pid\":1,\"tid\":{},\"ts\":{},\"dur\":{},"
                 "\"args\":{{\"id\":{},\"bytes\":{},\"work\":{:.9g},\"flops\":{:.9g},\"submit_s\":{:.9f},"
                 "\"ready_s\":{:.9f},\"predicted_s\":{:.9g},\"fetch_s\":{:.3g},\"overhead_s\":{:.3g}",
                 task_name(task), task.codelet->name, row, microseconds(task.start_s + zero_s),
                 length(task.start_s + zero_s, task.end_s + zero_s), task.id, task.bytes, task.work,
                 task.work * task.codelet->flops_per_work, task.submit_s, task.ready_s, task.predicted_s,
                 task.fetch_s, task.overhead_s);
  if (task.cpu_s >= 0) fmt::format_to(to, ",\"cpu_s\":{:.9f}", task.cpu_s);
  if (row != task.worker) fmt::format_to(to, ",\"worker\":{}", task.worker);
  for (const auto& [name, member] : kTags)
    if (task.tag.*member >= 0) fmt::format_to(to, ",\"{}\":{}", name, task.tag.*member);
  fmt::format_to(to, ",\"after\":[");
  const char* separator = "";
  for (const auto& one : timeline.dependencies.of(task.id)) {
    fmt::format_to(to, "{}[{},{}]", separator, one.task, one.data);
    separator = ",";
  }
  fmt::format_to(to, "]}}}}");
}

}  // namespace

std::string task_name(const TaskRecord& task) {
  std::string name = task.codelet->name;
  if (task.tag.chunk >= 0) name += fmt::format(" chunk {}", task.tag.chunk);
  if (task.tag.facet >= 0) name += fmt::format(" facet {}", task.tag.facet);
  return name;
}

int64_t left_out_of_trace(const Timeline& timeline, size_t most) {
  const double shortest = shortest_kept(timeline, most);
  return std::count_if(timeline.tasks.begin(), timeline.tasks.end(),
                       [&](const auto& task) { return task.end_s - task.start_s < shortest; });
}

std::string perfetto_json(const Timeline& timeline, size_t most) {
  fmt::memory_buffer out;
  auto to = std::back_inserter(out);
  // Memory is looked at before the runtime, whose start is time 0, is there; a trace has no times below 0.
  double zero_s = 0;
  for (const auto& sample : timeline.memory) zero_s = std::max(zero_s, -sample.at_s);
  fmt::format_to(
      to,
      "{{\"displayTimeUnit\":\"ms\",\n\"fringeflow\":{{\"format\":{},\"zero_s\":{:.9f},\"begin_s\":{:.9f},"
      "\"makespan_s\":{:.9f},\n\"data\":[",
      kFormat, zero_s, timeline.begin_s, timeline.makespan_s);
  for (size_t i = 0; i < timeline.data.size(); ++i)
    fmt::format_to(to, "{}[{},{}]", i > 0 ? "," : "", quoted(timeline.data[i].name), timeline.data[i].bytes);
  fmt::format_to(to, "],\n\"codelets\":{{");
  std::set<const runtime::CodeletDef*> codelets;
  for (const auto& task : timeline.tasks) codelets.insert(task.codelet);
  const char* separator = "";
  for (const auto* codelet : codelets) {
    fmt::format_to(to,
                   "{}\"{}\":{{\"version\":{},\"colour\":\"#{:06x}\",\"role\":\"{}\",\"flops_per_work\":{}}}",
                   separator, codelet->name, codelet->version, codelet->colour,
                   codelet->role == Role::io ? "io" : "compute", codelet->flops_per_work);
    separator = ",";
  }
  fmt::format_to(to, "}}");
  const double shortest = shortest_kept(timeline, most);
  size_t kept = 0;
  for (const auto& task : timeline.tasks) kept += task.end_s - task.start_s >= shortest ? 1 : 0;
  if (kept < timeline.tasks.size())
    fmt::format_to(to, ",\n\"thinned\":{{\"tasks\":{},\"kept\":{},\"shorter_than_s\":{:.9g}}}",
                   timeline.tasks.size(), kept, shortest);
  fmt::format_to(to, "}},\n\"traceEvents\":[");
  fmt::format_to(
      to, "\n{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":1,\"args\":{{\"name\":\"fringeflow\"}}}}");
  for (size_t w = 0; w < timeline.workers.size(); ++w) {
    const auto& worker = timeline.workers[w];
    fmt::format_to(
        to,
        ",\n{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":{},\"args\":{{\"name\":{},\"role\":"
        "\"{}\",\"device\":\"{}\"}}}}",
        w, quoted(worker.name + (worker.role == Role::io ? " (I/O)" : "")),
        worker.role == Role::io ? "io" : "compute", worker.device == Device::cuda ? "gpu" : "cpu");
  }
  const Rows rows(timeline, shortest);
  for (const auto& [row, name] : rows.further())
    fmt::format_to(
        to, ",\n{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":{},\"args\":{{\"name\":{}}}}}", row,
        quoted(name));
  kept = 0;
  for (const auto& task : timeline.tasks)
    if (task.end_s - task.start_s >= shortest) add_task(out, task, rows.row_of(kept++), zero_s, timeline);
  for (const auto& one : rows.arrivals())
    fmt::format_to(
        to,
        ",\n{{\"ph\":\"X\",\"name\":\"data\",\"cat\":\"{}\",\"pid\":1,\"tid\":{},\"ts\":{},\"dur\":{},"
        "\"args\":{{\"for\":{}}}}}",
        kTransfer, one.row, microseconds(one.begin_s + zero_s),
        length(one.begin_s + zero_s, one.end_s + zero_s), one.task);
  for (const auto& sample : timeline.memory)
    fmt::format_to(to,
                   ",\n{{\"ph\":\"C\",\"name\":\"{}\",\"pid\":1,\"ts\":{:.0f},\"args\":{{\"bytes\":{}}}}}",
                   kResident, (sample.at_s + zero_s) * 1e6, sample.bytes);
  for (const auto& node : timeline.nodes)
    for (const auto& sample : node.samples)
      fmt::format_to(to, ",\n{{\"ph\":\"C\",\"name\":{},\"pid\":1,\"ts\":{:.0f},\"args\":{{\"bytes\":{}}}}}",
                     quoted(node.name), std::max(0.0, sample.at_s + zero_s) * 1e6, sample.bytes);
  fmt::format_to(to, "\n]}}\n");
  return fmt::to_string(out);
}

StoredTimeline::StoredTimeline(const std::string& path) {
  const auto json = nlohmann::json::parse(io::read_file(path), nullptr, false);
  try {
    if (!json.is_object()) throw UserError(path + ": not a JSON object");
    const auto& head = json.at("fringeflow");
    if (head.at("format") != kFormat)
      throw UserError(fmt::format("{}: made by another version of Fringeflow", path));
    const double zero_s = head.at("zero_s");
    timeline_.begin_s = head.at("begin_s");
    timeline_.makespan_s = head.at("makespan_s");
    for (const auto& one : head.at("data")) timeline_.data.push_back({one.at(0), one.at(1), 0});
    for (const auto& [name, one] : head.at("codelets").items()) {
      auto& codelet = codelets_[name];
      codelet.name = names_.emplace_back(name).c_str();
      codelet.version = one.at("version");
      codelet.colour =
          static_cast<uint32_t>(std::stoul(one.at("colour").get<std::string>().substr(1), nullptr, 16));
      codelet.role = one.at("role") == "io" ? Role::io : Role::compute;
      codelet.flops_per_work = one.at("flops_per_work");
    }
    if (head.contains("thinned"))
      left_out_ = head["thinned"].at("tasks").get<int64_t>() - head["thinned"].at("kept").get<int64_t>();
    std::map<int64_t, std::vector<runtime::Dependency>> after;
    for (const auto& event : json.at("traceEvents")) {
      const auto& args = event.at("args");
      if (event.at("ph") == "M" && args.contains("role"))
        timeline_.workers.push_back({args.at("name"), args.at("role") == "io" ? Role::io : Role::compute,
                                     args.at("device") == "gpu" ? Device::cuda : Device::cpu});
      if (event.at("ph") == "C") {
        const std::string name = event.at("name");
        auto& nodes = timeline_.nodes;
        if (name != kResident && (nodes.empty() || nodes.back().name != name)) nodes.push_back({name, {}});
        (name == kResident ? timeline_.memory : nodes.back().samples)
            .push_back({event.at("ts").get<double>() * 1e-6 - zero_s, args.at("bytes")});
      }
      if (event.at("ph") != "X" || event.at("cat") == kTransfer) continue;
      TaskRecord task;
      task.codelet = &codelets_.at(event.at("cat"));
      task.worker = args.value("worker", event.at("tid").get<int>());
      task.device = timeline_.workers.at(static_cast<size_t>(task.worker)).device;
      task.start_s = event.at("ts").get<double>() * 1e-6 - zero_s;
      task.end_s = task.start_s + event.at("dur").get<double>() * 1e-6;
      task.id = args.at("id");
      task.bytes = args.at("bytes");
      task.work = args.at("work");
      task.submit_s = args.at("submit_s");
      task.ready_s = args.at("ready_s");
      task.predicted_s = args.at("predicted_s");
      task.cpu_s = args.value("cpu_s", -1.0);
      task.fetch_s = args.at("fetch_s");
      task.overhead_s = args.at("overhead_s");
      for (const auto& [name, member] : kTags) task.tag.*member = args.value(name, -1);
      auto& waits = after[task.id];
      for (const auto& one : args.at("after")) waits.push_back({one.at(0), one.at(1)});
      timeline_.tasks.push_back(task);
    }
    for (const auto& [id, waits] : after) {
      while (timeline_.dependencies.tasks() < id) timeline_.dependencies.append({});
      timeline_.dependencies.append(waits);
    }
  } catch (const UserError&) {
    throw;
  } catch (const std::exception& error) {
    throw UserError(fmt::format("{}: not a timeline of a Fringeflow run ({})", path, error.what()));
  }
}

}  // namespace fringeflow::traces
