// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/stage_command.hpp"

#include <fmt/format.h>

namespace fringeflow::apps {
namespace {

using graphs::Node;
using graphs::Place;

struct StageCommand {
  StageFlags flags;
  std::vector<std::string> sets, settings;
};

/// The long form with this one stage.
Node document(const graphs::StageSchema& stage, const StageCommand& given) {
  const Place place{"command line", 0, 0};
  given.flags.require(stage, stage.name);
  Node node = Node::map(place);
  node.add("id", Node::scalar(stage.name, place));
  node.add("stage", Node::scalar(stage.name, place));
  if (!given.sets.empty()) {
    Node paths = Node::list(place);
    for (const std::string& path : given.sets) paths.items.push_back(Node::scalar(path, Place{"", 0, 0}));
    Node in = Node::map(place);
    in.add("ms", std::move(paths));
    node.add("in", std::move(in));
  }
  given.flags.collect(stage, node);
  Node stages = Node::list(place);
  stages.items.push_back(std::move(node));
  Node result = Node::map(place);
  result.add("version", Node::scalar("1", place));
  result.add("name", Node::scalar(stage.name, place));
  result.add("stages", std::move(stages));
  for (const std::string& setting : given.settings) graphs::apply_setting(result, setting);
  return result;
}

}  // namespace

void add_stage_command(CLI::App& app, Context& context, const std::string& name, bool takes_sets) {
  const graphs::StageSchema& stage = *graphs::find_stage(name);
  auto given = std::make_shared<StageCommand>();
  CLI::App* command = add_command(app, context, name, stage.doc, [&context, &stage, given, takes_sets] {
    if (takes_sets && given->sets.empty())
      throw UserError(fmt::format("{}: name at least one MeasurementSet", stage.name));
    const graphs::Workflow workflow = graphs::build(document(stage, *given), "command line");
    run_jobs(graphs::lower(workflow, context.command_line));
    return 0;
  });
  if (takes_sets) command->add_option("MS", given->sets, "MeasurementSets")->type_name("");
  given->flags.add(*command, stage);
  command->add_option("--set", given->settings, "change any option: runtime.cpus=4, …")
      ->type_name("SECTION.KEY=VALUE")
      ->allow_extra_args(false);
}

}  // namespace fringeflow::apps
