// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/registry.hpp"

#include "graphs/registry_stages.hpp"

namespace fringeflow::graphs {

const std::vector<StageSchema>& stages() {
  static const std::vector<StageSchema> kStages{simulate_stage(), predict_stage(), calibrate_stage(),
                                                read_stage(),     image_stage(),   deconvolve_stage(),
                                                selfcal_stage(),  write_stage()};
  return kStages;
}

const StageSchema* find_stage(std::string_view name) {
  for (const StageSchema& stage : stages()) {
    if (stage.name == name) return &stage;
  }
  return nullptr;
}

const StageSchema* find_section(std::string_view section) {
  if (section.empty()) return nullptr;
  for (const StageSchema& stage : stages()) {
    if (stage.section == section) return &stage;
  }
  return nullptr;
}

std::vector<std::string> stage_names() {
  std::vector<std::string> names;
  for (const StageSchema& stage : stages()) names.push_back(stage.name);
  return names;
}

const SectionSchema& runtime_section() {
  static const SectionSchema kRuntime{
      "runtime",
      "where and how to run; nothing here changes the science",
      {
          {.key = "scheduler",
           .kind = Kind::scheduler,
           .doc = "scheduling policy of the compute workers",
           .fallback = "auto",
           .example = "dmda"},
          {.key = "scheduler_parameters",
           .kind = Kind::text_list,
           .doc = "parameters of the policy, as StarPU names them: alpha, beta, gamma, idle_power, ready, "
                  "sorted_above, "
                  "sorted_below (dm*), ntasks_threshold, exp_len_threshold (modular-*-prefetching), "
                  "rand_seed (random)",
           .example = "beta=2,alpha=1"},
          {.key = "cpus",
           .kind = Kind::count_or_auto,
           .doc = "compute workers on CPU cores",
           .fallback = "auto",
           .min = 1,
           .max = 256},
          {.key = "gpus",
           .kind = Kind::count_or_auto,
           .doc = "GPUs to use",
           .fallback = "auto",
           .min = 0,
           .max = 64},
          {.key = "io_workers",
           .kind = Kind::count_or_auto,
           .doc = "workers that read and write",
           .fallback = "auto",
           .min = 1,
           .max = 256},
          {.key = "memory",
           .kind = Kind::memory,
           .doc = "resident memory that is never exceeded; auto stays below the machine's limit",
           .fallback = "auto",
           .min = 64.0 * 1024 * 1024,
           .range_text = "at least 64MiB",
           .example = "2GiB"},
          {.key = "cache",
           .kind = Kind::text,
           .doc = "folder on a fast disk for a compact copy of visibilities that do not fit in memory, "
                  "written in the first "
                  "pass over them and read in later ones; auto: beside the products, if they have room; "
                  "none: the sets are "
                  "read again",
           .fallback = "auto",
           .example = "/scratch"},
          {.key = "pipeline",
           .kind = Kind::choice,
           .doc =
               "how simulate hands data to calibrate and image: files, one stage after the other through the "
               "MeasurementSet; memory, as one task graph that simulates while it solves and grids, and "
               "writes no set",
           .fallback = "files",
           .choices = {"files", "memory"}},
          {.key = "determinism",
           .kind = Kind::choice,
           .doc = "strict: the same bits whatever the workers; relaxed: the same within the accuracy",
           .fallback = "strict",
           .choices = {"strict", "relaxed"}},
          {.key = "trace",
           .kind = Kind::choice,
           .doc = "on: every task, read and write is recorded; fxt: StarPU's own trace too; off: neither, "
                  "and no reports",
           .fallback = "on",
           .choices = {"on", "off", "fxt"}},
      }};
  return kRuntime;
}

}  // namespace fringeflow::graphs
