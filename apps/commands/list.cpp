// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include "apps/commands.hpp"
#include "apps/engine.hpp"
#include "graphs/schema/suggest.hpp"

namespace fringeflow::apps {
namespace {

std::string list_stages() {
  std::string text;
  for (const graphs::StageSchema& stage : graphs::stages())
    text += fmt::format("{:<12} {}\n", stage.name, stage.doc);
  return text;
}

}  // namespace

void add_list(CLI::App& app, Context& context) {
  auto what = std::make_shared<std::string>();
  CLI::App* command =
      add_command(app, context, "list", "list stages, codelets, schedulers or workers", [what] {
        if (*what == "stages")
          print(list_stages());
        else if (*what == "codelets")
          print(list_codelets());
        else if (*what == "schedulers")
          print(list_schedulers());
        else if (*what == "workers")
          print(list_workers());
        else if (what->empty())
          throw UserError("list: stages, codelets, schedulers or workers?");
        else
          throw UserError(
              fmt::format("list: there are no '{}'{}", *what,
                          graphs::did_you_mean(*what, {"stages", "codelets", "schedulers", "workers"})));
        return 0;
      });
  command->add_option("WHAT", *what, "stages, codelets, schedulers or workers")->type_name("");
}

}  // namespace fringeflow::apps
