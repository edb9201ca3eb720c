// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace fringeflow::runtime {

/// Parameters of scheduling policies as StarPU reads them, from its environment: "beta=2" becomes {STARPU_SCHED_BETA, 2}. Known are alpha,
/// beta, gamma, idle_power, ready, sorted_above, sorted_below of the policies that predict times, ntasks_threshold and
/// exp_len_threshold of modular ones that prefetch, rand_seed of random ones. Throws UserError.
std::vector<std::pair<std::string, std::string>> scheduler_environment(
    const std::vector<std::string>& parameters);

}  // namespace fringeflow::runtime
