// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/commands.hpp"
#include "apps/engine.hpp"

namespace fringeflow::apps {

void add_doctor(CLI::App& app, Context& context) {
  add_command(app, context, "doctor", "what this build and this machine can do", [] {
    print(doctor());
    return 0;
  });
}

}  // namespace fringeflow::apps
