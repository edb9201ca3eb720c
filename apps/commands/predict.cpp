// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/stage_command.hpp"

namespace fringeflow::apps {

void add_predict(CLI::App& app, Context& context) { add_stage_command(app, context, "predict", true); }

}  // namespace fringeflow::apps
