// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include "apps/cli.hpp"

namespace fringeflow::apps {

// One function for each file in commands/; they appear in the help in this order.
void add_image(CLI::App& app, Context& context);
void add_run(CLI::App& app, Context& context);
void add_simulate(CLI::App& app, Context& context);
void add_predict(CLI::App& app, Context& context);
void add_calibrate(CLI::App& app, Context& context);
void add_selfcal(CLI::App& app, Context& context);
void add_init(CLI::App& app, Context& context);
void add_check(CLI::App& app, Context& context);
void add_expand(CLI::App& app, Context& context);
void add_plan(CLI::App& app, Context& context);
void add_graph(CLI::App& app, Context& context);
void add_report(CLI::App& app, Context& context);
void add_compare(CLI::App& app, Context& context);
void add_forecast(CLI::App& app, Context& context);
void add_experiment(CLI::App& app, Context& context);
void add_models(CLI::App& app, Context& context);
void add_explain(CLI::App& app, Context& context);
void add_list(CLI::App& app, Context& context);
void add_doctor(CLI::App& app, Context& context);
void add_schema(CLI::App& app, Context& context);
void add_completion(CLI::App& app, Context& context);

}  // namespace fringeflow::apps
