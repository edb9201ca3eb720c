// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include <map>

#include "apps/commands.hpp"
#include "apps/engine.hpp"
#include "graphs/schema/suggest.hpp"
#include "traces/machine_file.hpp"

namespace fringeflow::apps {
namespace {

std::string list_stages() {
  std::string text;
  for (const graphs::StageSchema& stage : graphs::stages())
    text += fmt::format("{:<12} {}\n", stage.name, stage.doc);
  return text;
}

std::string list_machines() {
  std::string text;
  for (const auto& name : traces::shipped_machines())
    text += fmt::format("{:<12} {}\n", name, traces::load_machine(name).doc);
  return text;
}

std::string list_sites() {
  std::string text;
  for (const auto& site : traces::load_sites())
    text +=
        fmt::format("{:<20} {} $/kWh, {} kg CO2e/kWh\n", site.name, site.price_usd_kwh, site.carbon_kg_kwh);
  return text;
}

const std::map<std::string, std::string (*)()>& lists() {
  static const std::map<std::string, std::string (*)()> all{
      {"stages", list_stages},   {"codelets", list_codelets}, {"schedulers", list_schedulers},
      {"workers", list_workers}, {"machines", list_machines}, {"sites", list_sites}};
  return all;
}

}  // namespace

void add_list(CLI::App& app, Context& context) {
  auto what = std::make_shared<std::string>();
  std::vector<std::string> names;
  for (const auto& [name, make] : lists()) names.push_back(name);
  const std::string doc = graphs::join(names, ", ");
  CLI::App* command = add_command(app, context, "list", "list " + doc, [what, names, doc] {
    const auto found = lists().find(*what);
    if (what->empty()) throw UserError(fmt::format("list: one of {}?", doc));
    if (found == lists().end())
      throw UserError(fmt::format("list: there are no '{}'{}", *what, graphs::did_you_mean(*what, names)));
    print(found->second());
    return 0;
  });
  command->add_option("WHAT", *what, doc)->type_name("");
}

}  // namespace fringeflow::apps
