// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Which of StarPU's scheduling policies there are, and which can be used here.
#include <starpu.h>

#include "runtime/runtime.hpp"

namespace fringeflow::runtime {
namespace {

/// Policies that StarPU's list has but a run with contexts cannot use, with the reason.
std::string refusal(const std::string& name) {
  if (name == "peager") return "it asks for parallel workers and cannot run inside a scheduling context";
  if (name == "graph_test")
    return "it holds tasks back until the whole graph is submitted, and our graphs throttle themselves";
  if (name == "pheft" || name == "prio_parallel")
    return "it asks for parallel workers and cannot run inside a scheduling context";
  return {};
}

}  // namespace

std::vector<SchedulerInfo> schedulers() {
  std::vector<SchedulerInfo> result;
  for (auto** policy = starpu_sched_get_predefined_policies(); policy != nullptr && *policy != nullptr;
       ++policy)
    result.push_back({(*policy)->policy_name,
                      (*policy)->policy_description ? (*policy)->policy_description : "",
                      refusal((*policy)->policy_name)});
  return result;
}

bool predicts_times(const std::string& scheduler) {
  const std::string name = scheduler.starts_with("modular-") ? scheduler.substr(8) : scheduler;
  return name.starts_with("dm") || name.find("heft") != std::string::npos;
}

}  // namespace fringeflow::runtime
