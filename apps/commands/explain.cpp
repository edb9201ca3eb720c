// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include "apps/commands.hpp"
#include "graphs/schema/reference.hpp"
#include "graphs/schema/suggest.hpp"

namespace fringeflow::apps {
namespace {

std::string explain_one(const std::string& name) {
  if (const graphs::StageSchema* stage = graphs::find_stage(name)) return graphs::explain(*stage);
  if (const graphs::StageSchema* stage = graphs::find_section(name)) return graphs::explain(*stage);
  if (name == graphs::runtime_section().name) return graphs::explain(graphs::runtime_section());
  std::vector<std::string> names = graphs::stage_names();
  names.push_back(graphs::runtime_section().name);
  throw UserError(fmt::format("explain: no stage '{}'{}", name, graphs::did_you_mean(name, names)));
}

std::string explain_all() {
  std::string text;
  for (const graphs::StageSchema& stage : graphs::stages()) text += graphs::explain(stage) + "\n";
  return text + graphs::explain(graphs::runtime_section());
}

}  // namespace

void add_explain(CLI::App& app, Context& context) {
  auto name = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false), markdown = std::make_shared<bool>(false);
  CLI::App* command =
      add_command(app, context, "explain", "ports and options of a stage: units, defaults, ranges",
                  [name, all, markdown] {
                    if (*all && *markdown)
                      print(graphs::reference_markdown());
                    else if (*markdown)
                      throw UserError("explain: --markdown goes with --all");
                    else if (*all)
                      print(explain_all());
                    else if (name->empty())
                      throw UserError("explain: name a stage (" + graphs::join(graphs::stage_names()) +
                                      ", runtime) or give --all");
                    else
                      print(explain_one(*name));
                    return 0;
                  });
  command->add_option("STAGE", *name, "a stage, a section of the short form, or runtime")->type_name("");
  command->add_flag("--all", *all, "all stages");
  command->add_flag("--markdown", *markdown, "the reference manual");
}

}  // namespace fringeflow::apps
