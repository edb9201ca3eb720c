// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/experiment.hpp"

#include "apps/commands.hpp"

namespace fringeflow::apps {

void add_experiment(CLI::App& app, Context& context) {
  auto file = std::make_shared<std::string>(), folder = std::make_shared<std::string>();
  CLI::App* command =
      add_command(app, context, "experiment",
                  "one workflow over axes of settings: medians, spread, Pareto front", [file, folder] {
                    if (file->empty()) throw UserError("experiment: name the file that describes it");
                    if (folder->empty())
                      throw UserError("experiment: missing -o: the folder for its results");
                    print(run_experiment(read_experiment(*file), *folder));
                    return 0;
                  });
  command->add_option("SPEC", *file, "workflow, axes, repeats, constraints, pareto")->type_name("");
  command
      ->add_option("-o,--output", *folder,
                   "folder of runs.csv, summary.csv, report.txt; continued if it is there")
      ->type_name("FOLDER");
}

}  // namespace fringeflow::apps
