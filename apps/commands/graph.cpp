// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/commands.hpp"
#include "apps/engine.hpp"
#include "io/error.hpp"

namespace fringeflow::apps {

void add_graph(CLI::App& app, Context& context) {
  auto source = std::make_shared<WorkflowSource>();
  auto format = std::make_shared<std::string>("dot");
  auto level = std::make_shared<std::string>("stage");
  CLI::App* command =
      add_command(app, context, "graph", "draw a workflow: its stages, or the tasks they become",
                  [&context, source, format, level] {
                    if (*level == "stage") {
                      print(graphs::logical_graph(source->build(false), *format));
                      return 0;
                    }
                    bool drawn = false;
                    for (const graphs::Job& job : graphs::lower(source->build(), context.command_line)) {
                      if (const auto* imaging = std::get_if<ImagingJob>(&job)) {
                        print(graph_imaging(*imaging, *format, *level));
                        drawn = true;
                      } else if (const auto* pipeline = std::get_if<PipelineJob>(&job)) {
                        print(graph_pipeline(*pipeline, *format, *level));
                        drawn = true;
                      }
                    }
                    if (!drawn)
                      throw UserError(
                          "graph: only imaging, and what leads to it in memory, has a graph of tasks to draw "
                          "(simulate, predict and calibrate "
                          "work through their chunks one after the other); --level stage draws the stages");
                    return 0;
                  });
  source->add(*command, WorkflowSource::Accept::both);
  command->add_option("--format", *format, "dot, mermaid or json [dot]")
      ->check(CLI::IsMember({"dot", "mermaid", "json"}))
      ->type_name("FORMAT");
  command->add_option("--level", *level, "stage or task [stage]")
      ->check(CLI::IsMember({"stage", "task"}))
      ->type_name("LEVEL");
}

}  // namespace fringeflow::apps
