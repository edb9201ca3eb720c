// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace fringeflow::traces {
namespace {

using nlohmann::json;

double number(const json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

/// Codelets by their total time, the longest first.
std::vector<std::pair<std::string, json>> by_time(const json& metrics) {
  std::vector<std::pair<std::string, json>> list;
  for (const auto& [name, one] : metrics.at("codelets").items()) list.emplace_back(name, one);
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
    return number(a.second, "total_s") > number(b.second, "total_s");
  });
  return list;
}

/// Names of the numbers that two runs are compared by, as metrics.json has them.
constexpr const char* kCompared[] = {
    "time_s",         "makespan_s",       "critical_path_s", "area_bound_s",
    "efficiency",     "utilisation",      "serial_share",    "hidden_io",
    "overhead_share", "load_imbalance",   "io_busy_s",       "tasks",
    "task_bytes",     "throughput_vis_s", "energy_j",        "peak_memory_bytes",
    "reread_factor",  "noise_jy_beam",    "peak_jy_beam",    "dynamic_range"};

/// Of runs that began with a simulation: how it got to the image.
std::string pipeline_line(const json& m) {
  const auto& one = m["pipeline"];
  if (one.value("mode", "") == "files")
    return fmt::format(
        "through files: {:.2f} s with the stages before, {:.2f} s of which with files being read or written "
        "({:.2f} s of the workers' time), {:.1f} MB written",
        number(one, "makespan_s"), number(one, "io_wall_s"), number(one, "io_s"),
        number(one, "bytes_written") * 1e-6);
  return fmt::format(
      "in memory: {:.2f} s; {:.2f} core seconds of simulation, {} of that time under processing; {:.1f} MB "
      "not written",
      number(one, "makespan_s"), number(one, "simulation_core_s"), percent(number(one, "simulation_hidden")),
      number(one, "bytes_not_written") * 1e-6);
}

/// One workflow through files and in memory; nothing for other pairs.
json pipeline_comparison(const json& a, const json& b) {
  if (!a.contains("pipeline") || !b.contains("pipeline")) return nullptr;
  const bool swapped = a["pipeline"].value("mode", "") == "memory";
  const json &files = (swapped ? b : a)["pipeline"], &memory = (swapped ? a : b)["pipeline"];
  if (files.value("mode", "") != "files" || memory.value("mode", "") != "memory") return nullptr;
  // The way through files cannot take longer for its reading and writing than the time during which it does either; the seconds of all
  // tasks count two files at a time twice.
  const double saved = number(files, "makespan_s") - number(memory, "makespan_s"), io = number(files, "io_s"),
               wall = number(files, "io_wall_s"),
               most = number(files, "makespan_s") - number(swapped ? a : b, "area_bound_s");
  return {{"files_s", number(files, "makespan_s")},
          {"memory_s", number(memory, "makespan_s")},
          {"ratio", number(files, "makespan_s") / number(memory, "makespan_s")},
          {"saved_s", saved},
          {"most_saved_s", most},
          {"files_io_s", io},
          {"files_io_wall_s", wall},
          {"saved_over_io", io > 0 ? json(saved / io) : json(nullptr)},
          {"saved_over_io_wall", wall > 0 ? json(saved / wall) : json(nullptr)},
          {"simulation_hidden", number(memory, "simulation_hidden")},
          {"bytes_not_written", number(memory, "bytes_not_written")}};
}

}  // namespace

std::string report_text(const StoredRun& run) {
  const auto& m = run.metrics();
  std::string text = fmt::format("{}: {} tasks, scheduler {}, {} cores, {} GPUs, {} I/O workers\n\n",
                                 run.name(), m.value("tasks", 0), m.value("scheduler", "?"),
                                 m.value("cpus", 0), m.value("gpus", 0), m.value("io_workers", 0));
  auto line = [&](const std::string& what, const std::string& value) {
    text += fmt::format("{:<22}{}\n", what, value);
  };
  std::string phases;
  if (m.contains("phases"))
    for (const char* name : {"planning", "start", "graph", "products"})
      phases += fmt::format("{}{} {:.2f}", phases.empty() ? "" : ", ", name,
                            number(m["phases"], std::string(name) + "_s"));
  line("time", fmt::format("{:.2f} s ({})", number(m, "time_s"), phases));
  line("throughput", fmt::format("{:.4g} visibilities/s", number(m, "throughput_vis_s")));
  line("makespan",
       fmt::format("{:.2f} s; critical path {:.2f} s, area bound {:.2f} s: {} of what is possible",
                   number(m, "makespan_s"), number(m, "critical_path_s"), number(m, "area_bound_s"),
                   percent(number(m, "efficiency"))));
  line("utilisation", fmt::format("{} of the compute workers; {} of the time at most one is busy",
                                  percent(number(m, "utilisation")), percent(number(m, "serial_share"))));
  if (number(m, "transfers_s") > 0)
    line("hidden transfers",
         fmt::format("{} of {:.2f} s", percent(number(m, "hidden_transfers")), number(m, "transfers_s")));
  line("hidden I/O", fmt::format("{} of {:.2f} s", percent(number(m, "hidden_io")), number(m, "io_busy_s")));
  if (m.contains("pipeline")) line("pipeline", pipeline_line(m));
  if (number(m, "off_core_share") >= 0.01)
    line("others", fmt::format("had the cores for {} of the time in computing tasks",
                               percent(number(m, "off_core_share"))));
  std::string nodes;
  if (m.contains("memory_over_time"))
    for (const auto& node : m["memory_over_time"])
      if (node.value("name", "") != "process")
        nodes +=
            fmt::format("; {} {:.0f} MiB", node.value("name", ""), number(node, "peak_bytes") / (1 << 20));
  line("memory", fmt::format("{:.0f} MiB at most{}", number(m, "peak_memory_bytes") / (1 << 20), nodes));
  if (const auto left_out = run.timeline().left_out(); left_out > 0)
    line("timeline", fmt::format("thinned: the shortest {} of {} tasks are left out of timeline.json",
                                 left_out, m.value("tasks", 0)));
  if (m.contains("io"))
    line(
        "bytes",
        fmt::format("{:.1f} MB read in {} calls, {:.1f} MB written in {}; from the disk {:.1f} and {:.1f} MB",
                    number(m["io"], "read_bytes") * 1e-6, number(m["io"], "read_calls"),
                    number(m["io"], "written_bytes") * 1e-6, number(m["io"], "write_calls"),
                    number(m["io"], "disk_read_bytes") * 1e-6, number(m["io"], "disk_written_bytes") * 1e-6));
  if (m.contains("io") && m["io"].contains("reads")) {
    const auto& io = m["io"];
    for (const char* what : {"reads", "writes"}) {
      const auto& d = io[what];
      line(
          fmt::format("  {}", what),
          fmt::format("{:.1f} MB of files in {} calls, {} below 1 MB, {} misaligned; {} sequential; {:.3f} s",
                      number(d, "bytes") * 1e-6, number(d, "calls"), number(d, "below_1_mb"),
                      number(d, "misaligned"), percent(number(d, "sequential_share")), number(d, "seconds")));
    }
    line("  read again", fmt::format("{:.2f} times the different bytes; the calls are {} of what the process "
                                     "read and {} of what it wrote",
                                     number(io, "reread_factor"), percent(number(io, "counted_read_share")),
                                     percent(number(io, "counted_written_share"))));
    if (io.contains("gap")) line("", io["gap"].get<std::string>());
  }
  line("energy", fmt::format("{:.4g} J, {}; {:.4g} visibilities/J", number(m, "energy_j"),
                             m.value("energy_source", "?"), number(m, "energy_efficiency_vis_j")));
  if (m.contains("sites"))
    for (const auto& [site, one] : m["sites"].items())
      line("  " + site,
           fmt::format("{:.3g} g CO2e, {:.3g} $", number(one, "carbon_g"), number(one, "cost_per_job_usd")));
  if (m.contains("dirty_rms_jy_beam"))
    line("image", fmt::format("dirty rms {:.4g} Jy/beam, dynamic range {:.4g}",
                              number(m, "dirty_rms_jy_beam"), number(m, "dynamic_range")));
  if (m.contains("psnr_db"))
    line("against reference",
         fmt::format("PSNR {:.2f} dB, SSIM {:.5f}; {} sources: {:.3g} asec off, fluxes by {} (median)",
                     number(m, "psnr_db"), number(m, "ssim"), number(m, "reference_sources"),
                     number(m, "astrometric_error_asec"), percent(number(m, "photometric_error_relative"))));
  text += fmt::format("\n{:<26}{:>9}{:>9}{:>9}{:>9}\n", "worker", "busy s", "data s", "around s", "idle s");
  for (const auto& worker : m.at("workers"))
    text += fmt::format("{:<26}{:>9.3f}{:>9.3f}{:>9.3f}{:>9.3f}\n",
                        worker.value("name", "") + (worker.value("role", "") == "io" ? " (I/O)" : ""),
                        number(worker, "busy_s"), number(worker, "fetching_s"), number(worker, "overhead_s"),
                        number(worker, "idle_s"));
  text += fmt::format("\n{:<20}{:>8}{:>10}{:>11}{:>11}{:>10}{:>9}{:>10}{:>11}\n", "codelet", "tasks",
                      "total s", "median ms", "p95 ms", "GFlop/s", "GB/s", "model s", "critical s");
  for (const auto& [name, one] : by_time(m))
    text += fmt::format("{:<20}{:>8}{:>10.3f}{:>11.3f}{:>11.3f}{:>10.3g}{:>9.3g}{:>10.3f}{:>11.3f}\n", name,
                        number(one, "count"), number(one, "total_s"), 1e3 * number(one, "median_s"),
                        1e3 * number(one, "p95_s"), number(one, "gflop_s"), number(one, "gb_s"),
                        number(one, "predicted_s"), number(one, "critical_path_s"));
  return text;
}

json compare(const StoredRun& a, const StoredRun& b) {
  json result{{"a", a.path()}, {"b", b.path()}, {"metrics", json::object()}, {"codelets", json::array()}};
  for (const char* key : kCompared) {
    if (!a.metrics().contains(key) || !b.metrics().contains(key)) continue;
    const double x = number(a.metrics(), key), y = number(b.metrics(), key);
    result["metrics"][key] = {{"a", x}, {"b", y}, {"ratio", x != 0 ? json(y / x) : json(nullptr)}};
  }
  std::set<std::string> names;
  for (const auto* run : {&a, &b})
    for (const auto& [name, one] : run->metrics().at("codelets").items()) names.insert(name);
  std::vector<json> list;
  for (const auto& name : names) {
    const json none = json::object();
    const auto& x = a.metrics()["codelets"].contains(name) ? a.metrics()["codelets"][name] : none;
    const auto& y = b.metrics()["codelets"].contains(name) ? b.metrics()["codelets"][name] : none;
    list.push_back({{"codelet", name},
                    {"a_s", number(x, "total_s")},
                    {"b_s", number(y, "total_s")},
                    {"difference_s", number(y, "total_s") - number(x, "total_s")},
                    {"a_tasks", number(x, "count")},
                    {"b_tasks", number(y, "count")},
                    {"a_critical_s", number(x, "critical_path_s")},
                    {"b_critical_s", number(y, "critical_path_s")}});
  }
  std::stable_sort(list.begin(), list.end(), [](const json& x, const json& y) {
    return std::abs(number(x, "difference_s")) > std::abs(number(y, "difference_s"));
  });
  for (auto& one : list) result["codelets"].push_back(std::move(one));
  if (auto pipeline = pipeline_comparison(a.metrics(), b.metrics()); !pipeline.is_null())
    result["pipeline"] = std::move(pipeline);
  return result;
}

std::string compare_text(const StoredRun& a, const StoredRun& b) {
  const auto both = compare(a, b);
  std::string text =
      fmt::format("a: {}\nb: {}\n\n{:<20}{:>14}{:>14}{:>9}\n", a.path(), b.path(), "metric", "a", "b", "b/a");
  for (const char* key : kCompared) {
    if (!both["metrics"].contains(key)) continue;
    const auto& one = both["metrics"][key];
    text += fmt::format("{:<20}{:>14.6g}{:>14.6g}{:>9}\n", key, number(one, "a"), number(one, "b"),
                        one["ratio"].is_null() ? "" : fmt::format("{:.3f}", one["ratio"].get<double>()));
  }
  text += fmt::format("\n{:<20}{:>11}{:>11}{:>11}{:>10}{:>10}\n", "codelet", "a s", "b s", "b - a s",
                      "a tasks", "b tasks");
  for (const auto& one : both["codelets"])
    text += fmt::format("{:<20}{:>11.3f}{:>11.3f}{:>+11.3f}{:>10}{:>10}\n", one["codelet"].get<std::string>(),
                        number(one, "a_s"), number(one, "b_s"), number(one, "difference_s"),
                        number(one, "a_tasks"), number(one, "b_tasks"));
  const double time = number(b.metrics(), "time_s") - number(a.metrics(), "time_s");
  if (!both["codelets"].empty()) {
    const auto& most = both["codelets"][0];
    text += fmt::format("\nb takes {:+.2f} s; the largest change is in {}: {:+.2f} s of the workers' time\n",
                        time, most["codelet"].get<std::string>(), number(most, "difference_s"));
  }
  if (both.contains("pipeline")) {
    const auto& one = both["pipeline"];
    text += fmt::format(
        "\npipeline: {:.2f} s through files, {:.2f} s in memory ({:.2f} times faster): {:.2f} s saved of the "
        "{:.2f} s that computing leaves, "
        "{:.2f} times the {:.2f} s "
        "during which files were read or written ({:.2f} times the {:.2f} s of the workers' time);\n{} of "
        "the simulation under processing, {:.1f} MB not written\n",
        number(one, "files_s"), number(one, "memory_s"), number(one, "ratio"), number(one, "saved_s"),
        number(one, "most_saved_s"), number(one, "saved_over_io_wall"), number(one, "files_io_wall_s"),
        number(one, "saved_over_io"), number(one, "files_io_s"), percent(number(one, "simulation_hidden")),
        number(one, "bytes_not_written") * 1e-6);
  }
  return text;
}

}  // namespace fringeflow::traces
