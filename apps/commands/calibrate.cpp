// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/stage_command.hpp"

namespace fringeflow::apps {

void add_calibrate(CLI::App& app, Context& context) { add_stage_command(app, context, "calibrate", true); }

}  // namespace fringeflow::apps
