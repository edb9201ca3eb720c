// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/commands.hpp"

namespace fringeflow::apps {

void add_plan(CLI::App& app, Context& context) {
  auto source = std::make_shared<WorkflowSource>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = add_command(
      app, context, "plan", "tasks, bytes, peak memory and time, before running", [&context, source, json] {
        print(plan_jobs(graphs::lower(source->build(), context.command_line), *json));
        return 0;
      });
  source->add(*command, WorkflowSource::Accept::both);
  command->add_flag("--json", *json, "the plan as JSON");
}

}  // namespace fringeflow::apps
