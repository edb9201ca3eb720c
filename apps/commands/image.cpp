// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/commands.hpp"

namespace fringeflow::apps {

void add_image(CLI::App& app, Context& context) {
  auto source = std::make_shared<WorkflowSource>();
  auto dry_run = std::make_shared<bool>(false);
  CLI::App* command = add_command(
      app, context, "image", "image MeasurementSets (and clean, with any flag of deconvolve)",
      [&context, source, dry_run] {
        const std::vector<graphs::Job> jobs = graphs::lower(source->build(), context.command_line);
        if (*dry_run)
          print(plan_jobs(jobs, false));
        else
          run_jobs(jobs);
        return 0;
      });
  source->add(*command, WorkflowSource::Accept::sets);
  command->add_flag("--dry-run", *dry_run, "print the plan and stop");
}

}  // namespace fringeflow::apps
