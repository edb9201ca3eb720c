// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/commands.hpp"

namespace fringeflow::apps {

void add_expand(CLI::App& app, Context& context) {
  auto source = std::make_shared<WorkflowSource>();
  auto defaults = std::make_shared<bool>(false);
  CLI::App* command = add_command(app, context, "expand", "print the long form that a workflow stands for",
                                  [source, defaults] {
                                    print(graphs::to_yaml(source->build(false), *defaults));
                                    return 0;
                                  });
  source->add(*command, WorkflowSource::Accept::both);
  command->add_flag("--defaults", *defaults, "write every option, defaults too");
}

}  // namespace fringeflow::apps
