// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// What this build and machine can do, for people.
#include "apps/engine.hpp"

#include <fmt/format.h>

#include "codelets/registry.hpp"
#include "fringeflow_version.hpp"
#include "runtime/machine.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow {

std::string doctor() {
  std::string text =
      fmt::format("fringeflow  {} ({}), CUDA code {}\n", FRINGEFLOW_VERSION, FRINGEFLOW_GIT,
                  FRINGEFLOW_HAVE_CUDA ? "compiled in" : "left out (no toolkit at build time)");
  const runtime::Runtime runtime(RuntimeOptions{});
  const auto& info = runtime.info();
  text += fmt::format("StarPU      {}, {} CUDA; scheduler {}\n", info.starpu_version,
                      info.cuda_build ? "with" : "without", info.scheduler);
  text += fmt::format("cores       {} may be used (affinity and cgroup)\n", info.cores_available);
  text +=
      fmt::format("workers     asked: {} compute, {} I/O, {} GPUs; obtained: {}, {}, {}\n", info.cpus_asked,
                  info.io_workers_asked, info.gpus_asked < 0 ? "all" : std::to_string(info.gpus_asked),
                  info.cpus, info.io_workers, info.gpus);
  text += fmt::format(
      "memory      {:.1f} GiB may be used; a run plans with 80 % of it unless runtime.memory says "
      "otherwise\n",
      static_cast<double>(runtime::available_memory_bytes()) / (1 << 30));
  text += fmt::format("cache       {} (StarPU, cost records)\n", runtime::cache_directory().string());
  if (info.gpus == 0) text += "GPUs        none: everything runs on cores\n";
  return text;
}

std::string list_codelets() {
  std::string text;
  for (const auto* codelet : all_codelets())
    text += fmt::format("{:<18} {:<8} {:<5} {:<5} v{}  {}\n", codelet->name,
                        codelet->role == runtime::Role::io ? "I/O" : "compute",
                        codelet->cpu != nullptr ? "CPU" : "-", codelet->cuda != nullptr ? "CUDA" : "-",
                        codelet->version, codelet->doc);
  return text;
}

std::string list_schedulers() {
  std::string text = "auto               dmdas with GPUs, else prio\n";
  for (const auto& scheduler : runtime::schedulers())
    text += fmt::format("{:<18} {}{}\n", scheduler.name, scheduler.description,
                        scheduler.refused.empty() ? "" : " [cannot be used: " + scheduler.refused + "]");
  return text;
}

std::string list_workers() {
  const runtime::Runtime runtime(RuntimeOptions{});
  std::string text;
  for (const auto& worker : runtime.timeline().workers)
    text += fmt::format("{:<24} {}\n", worker.name,
                        worker.role == runtime::Role::io         ? "I/O"
                        : worker.device == runtime::Device::cuda ? "compute (GPU)"
                                                                 : "compute");
  return text;
}

}  // namespace fringeflow
