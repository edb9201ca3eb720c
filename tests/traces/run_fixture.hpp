// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A run directory as a run leaves it, small.
#include <string>

#include "tests/io/temporary_folder.hpp"
#include "traces/metrics.hpp"
#include "traces/timeline_file.hpp"

namespace fringeflow::traces::test {

inline const runtime::CodeletDef& grid_codelet() {
  static const runtime::CodeletDef def{.name = "grid", .doc = "", .colour = 0x12ab, .flops_per_work = 8};
  return def;
}
inline const runtime::CodeletDef& read_codelet() {
  static const runtime::CodeletDef def{
      .name = "read", .doc = "", .colour = 0xff0000, .role = runtime::Role::io};
  return def;
}

/// A read of 1 s, then `grids` tasks of `seconds` on one worker, each waiting for the one before.
inline runtime::Timeline chain(int grids = 3, double seconds = 2) {
  runtime::Timeline run;
  run.workers = {{"CPU 0", runtime::Role::compute, runtime::Device::cpu},
                 {"CPU 1", runtime::Role::compute, runtime::Device::cpu},
                 {"CPU 2", runtime::Role::io, runtime::Device::cpu}};
  run.data = {{"chunk", 1000, 0}};
  run.makespan_s = 1 + seconds * grids;
  run.memory = {{0, 1000}, {1, 2000}};
  run.nodes = {{"data in main memory", {{0, 0}, {1, 1500}, {2, 1200}}}};
  for (int i = 0; i <= grids; ++i) {
    runtime::TaskRecord task;
    task.codelet = i == 0 ? &read_codelet() : &grid_codelet();
    task.worker = i == 0 ? 2 : 0;
    task.id = i;
    task.tag.chunk = i;
    task.start_s = i == 0 ? 0 : 1 + seconds * (i - 1);
    task.ready_s = task.start_s;
    task.end_s = task.start_s + (i == 0 ? 1 : seconds);
    task.predicted_s = 1;
    task.work = 100;
    task.bytes = 1000;
    run.tasks.push_back(task);
    const runtime::Dependency before{i - 1, 0};
    run.dependencies.append({&before, i == 0 ? size_t{0} : size_t{1}});
  }
  return run;
}

/// Writes PREFIX-run/.
inline void write_run(const fringeflow::test::TemporaryFolder& folder, const std::string& prefix,
                      const runtime::Timeline& timeline, const std::string& workflow = "version: 1\n") {
  std::filesystem::create_directories(folder / (prefix + "-run"));
  auto json = to_json(metrics(timeline), timeline);
  json["time_s"] = timeline.makespan_s + 0.5;
  json["energy_j"] = 7;
  json["energy_source"] = "modelled";
  folder.write(prefix + "-run/metrics.json", json.dump());
  folder.write(prefix + "-run/timeline.json", perfetto_json(timeline));
  folder.write(prefix + "-run/workflow.yaml", workflow);
}

}  // namespace fringeflow::traces::test
