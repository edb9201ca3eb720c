// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/commands.hpp"

namespace fringeflow::apps {

void add_run(CLI::App& app, Context& context) {
  auto source = std::make_shared<WorkflowSource>();
  CLI::App* command = add_command(app, context, "run", "run a workflow file", [&context, source] {
    run_jobs(graphs::lower(source->build(), context.command_line));
    return 0;
  });
  source->add(*command, WorkflowSource::Accept::file);
}

}  // namespace fringeflow::apps
