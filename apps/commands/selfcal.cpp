// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/commands.hpp"

namespace fringeflow::apps {

void add_selfcal(CLI::App& app, Context& context) {
  auto source = std::make_shared<WorkflowSource>();
  CLI::App* command =
      add_command(app, context, "selfcal",
                  "self-calibrate MeasurementSets in rounds of imaging and solving (with the flags of image)",
                  [&context, source] {
                    run_jobs(graphs::lower(source->build(), context.command_line));
                    return 0;
                  });
  source->add(*command, WorkflowSource::Accept::sets, true);
}

}  // namespace fringeflow::apps
