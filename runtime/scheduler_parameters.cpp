// SPDX-License-Identifier: GPL-3.0-or-later
#include "runtime/scheduler_parameters.hpp"

#include <map>

#include "io/error.hpp"
#include "io/quantity.hpp"

namespace fringeflow::runtime {

std::vector<std::pair<std::string, std::string>> scheduler_environment(
    const std::vector<std::string>& parameters) {
  static const std::map<std::string, std::string> kKnown{{"alpha", "STARPU_SCHED_ALPHA"},
                                                         {"beta", "STARPU_SCHED_BETA"},
                                                         {"gamma", "STARPU_SCHED_GAMMA"},
                                                         {"idle_power", "STARPU_IDLE_POWER"},
                                                         {"ready", "STARPU_SCHED_READY"},
                                                         {"sorted_above", "STARPU_SCHED_SORTED_ABOVE"},
                                                         {"sorted_below", "STARPU_SCHED_SORTED_BELOW"},
                                                         {"ntasks_threshold", "STARPU_NTASKS_THRESHOLD"},
                                                         {"exp_len_threshold", "STARPU_EXP_LEN_THRESHOLD"},
                                                         {"rand_seed", "STARPU_RAND_SEED"}};
  std::vector<std::pair<std::string, std::string>> variables;
  for (const auto& one : parameters) {
    const size_t equals = one.find('=');
    const auto known = kKnown.find(one.substr(0, equals));
    if (equals == std::string::npos || known == kKnown.end()) {
      std::string names;
      for (const auto& [name, unused] : kKnown) names += (names.empty() ? "" : ", ") + name;
      throw UserError("runtime.scheduler_parameters: '" + one + "' is not NAME=NUMBER with one of " + names);
    }
    const std::string value = one.substr(equals + 1);
    try {
      parse_number(value);
    } catch (const UserError& error) {
      throw UserError("runtime.scheduler_parameters: " + one + ": " + error.what());
    }
    variables.emplace_back(known->second, value);
  }
  return variables;
}

}  // namespace fringeflow::runtime
