// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "apps/commands.hpp"
#include "codelets/registry.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "runtime/cost_model.hpp"
#include "traces/stored_run.hpp"

namespace fringeflow::apps {
namespace {

using runtime::CostModel;

std::string show(const CostModel& costs) {
  if (costs.records().empty())
    return "no records on this machine yet: every run makes some (or: fringeflow models import FILE)\n";
  std::string text = fmt::format("{:<28}{:>14}{:>16}{:>10}\n", "codelet_version_device", "work about",
                                 "work per s", "tasks");
  for (const auto& [key, sizes] : costs.records())
    for (const auto& [size, record] : sizes)
      text += fmt::format("{:<28}{:>14.3g}{:>16.4g}{:>10}\n", key, std::exp2(size + 0.5),
                          1 / record.seconds_per_work, record.samples);
  return text;
}

/// Takes what tasks took in recorded runs as this machine's records of their codelets. @return what was taken.
std::string calibrate(CostModel& costs, const std::vector<std::string>& runs) {
  std::set<std::string> current;
  for (const auto* codelet : all_codelets())
    for (const auto device : {runtime::Device::cpu, runtime::Device::cuda})
      current.insert(CostModel::key(*codelet, device));
  runtime::CostSamples samples;
  std::set<std::string> outdated;
  for (const auto& name : runs) {
    const traces::StoredRun run(name);
    if (run.metrics().contains("forecast"))
      throw UserError(fmt::format("{}: a forecast; models are made of runs", run.path()));
    for (const auto& task : run.timeline().timeline().tasks) {
      const auto key = CostModel::key(*task.codelet, task.device);
      if (!current.contains(key))
        outdated.insert(key);
      else
        samples[key].push_back({task.work, runtime::own_seconds(task)});
    }
  }
  const auto made = CostModel::of_samples(samples);
  if (made.empty())
    throw UserError(
        fmt::format("models calibrate: {}: no tasks of this version's codelets", fmt::join(runs, ", ")));
  costs.import(made);
  std::string text = fmt::format("{:<28}{:>8}{:>8}\n", "codelet_version_device", "sizes", "tasks");
  for (const auto& [key, sizes] : made) {
    int64_t tasks = 0;
    for (const auto& [size, record] : sizes) tasks += record.samples;
    text += fmt::format("{:<28}{:>8}{:>8}\n", key, sizes.size(), tasks);
  }
  if (!outdated.empty())
    text += fmt::format("left out, of another version of their codelets: {}\n", fmt::join(outdated, ", "));
  return text;
}

}  // namespace

void add_models(CLI::App& app, Context& context) {
  auto what = std::make_shared<std::string>();
  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* command = add_command(
      app, context, "models",
      "this machine's records of how fast codelets are: show, calibrate, export, import", [what, files] {
        CostModel costs(CostModel::default_file());
        const bool one_file = *what == "export" || *what == "import";
        if (*what != "show" && *what != "calibrate" && !one_file)
          throw UserError("models: show, calibrate RUN..., export FILE or import FILE?");
        if (one_file && files->size() != 1) throw UserError(fmt::format("models {}: name a file", *what));
        if (*what == "calibrate" && files->empty())
          throw UserError(
              "models calibrate: name run directories (PREFIX-run); runs also leave records "
              "by themselves");
        if (*what == "show" && !files->empty()) throw UserError("models show: takes no file");
        if (*what == "show") print(show(costs));
        if (*what == "calibrate") print(calibrate(costs, *files));
        if (*what == "export") io::write_file(files->front(), CostModel::to_text(costs.records()));
        if (*what == "import") {
          const auto records = CostModel::from_text(io::read_file(files->front()));
          if (records.empty())
            throw UserError(fmt::format("{}: no records in it (fringeflow models export makes such files)",
                                        files->front()));
          costs.import(records);
          print(fmt::format("{} codelets\n", records.size()));
        }
        return 0;
      });
  command->add_option("WHAT", *what, "show, calibrate, export or import")->type_name("");
  command->add_option("FILE|RUN", *files, "a file for export and import, run directories for calibrate")
      ->type_name("");
}

}  // namespace fringeflow::apps
