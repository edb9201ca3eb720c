// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/commands.hpp"

namespace fringeflow::apps {
namespace {

/// The same for editors and scripts: every mistake with its place.
int check_as_json(const WorkflowSource& source) {
  nlohmann::ordered_json errors = nlohmann::ordered_json::array();
  try {
    graphs::lower(source.build(), "");
  } catch (const graphs::WorkflowError& e) {
    for (const graphs::Diagnostic& d : e.diagnostics()) {
      errors.push_back({{"file", d.place.file},
                        {"line", d.place.line},
                        {"column", d.place.column},
                        {"message", d.message}});
    }
  } catch (const UserError& e) {
    errors.push_back({{"file", source.name()}, {"line", 0}, {"column", 0}, {"message", e.what()}});
  }
  const nlohmann::ordered_json result{{"ok", errors.empty()}, {"errors", errors}};
  print(result.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return errors.empty() ? 0 : 2;
}

}  // namespace

void add_check(CLI::App& app, Context& context) {
  auto source = std::make_shared<WorkflowSource>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      add_command(app, context, "check", "check a workflow file: all mistakes at once", [source, json] {
        if (*json) return check_as_json(*source);
        const graphs::Workflow workflow = source->build();
        const std::size_t jobs = graphs::lower(workflow, "").size();
        print(fmt::format("{}: no mistakes ({} stages, {} job{})\n", source->name(), workflow.stages.size(),
                          jobs, jobs == 1 ? "" : "s"));
        return 0;
      });
  source->add(*command, WorkflowSource::Accept::file);
  command->add_flag("--json", *json, "mistakes as JSON");
}

}  // namespace fringeflow::apps
