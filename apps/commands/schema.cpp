// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/commands.hpp"
#include "graphs/schema/reference.hpp"

namespace fringeflow::apps {

void add_schema(CLI::App& app, Context& context) {
  add_command(app, context, "schema", "JSON Schema of workflow files, for editors", [] {
    print(graphs::json_schema());
    return 0;
  });
}

}  // namespace fringeflow::apps
