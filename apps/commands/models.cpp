// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include <cmath>

#include "apps/commands.hpp"
#include "io/atomic_file.hpp"
#include "runtime/cost_model.hpp"

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

}  // namespace

void add_models(CLI::App& app, Context& context) {
  auto what = std::make_shared<std::string>(), file = std::make_shared<std::string>();
  CLI::App* command =
      add_command(app, context, "models",
                  "this machine's records of how fast codelets are: show, export, import", [what, file] {
                    CostModel costs(CostModel::default_file());
                    const bool needs_file = *what == "export" || *what == "import";
                    if (*what != "show" && !needs_file)
                      throw UserError("models: show, export FILE or import FILE?");
                    if (needs_file && file->empty())
                      throw UserError(fmt::format("models {}: name a file", *what));
                    if (!needs_file && !file->empty()) throw UserError("models show: takes no file");
                    if (*what == "show") print(show(costs));
                    if (*what == "export") io::write_file(*file, CostModel::to_text(costs.records()));
                    if (*what == "import") {
                      const auto records = CostModel::from_text(io::read_file(*file));
                      if (records.empty())
                        throw UserError(fmt::format(
                            "{}: no records in it (fringeflow models export makes such files)", *file));
                      costs.import(records);
                      print(fmt::format("{} codelets\n", records.size()));
                    }
                    return 0;
                  });
  command->add_option("WHAT", *what, "show, export or import")->type_name("");
  command->add_option("FILE", *file, "for export and import")->type_name("");
}

}  // namespace fringeflow::apps
