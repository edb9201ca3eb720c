// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A task on its way through StarPU: what its body and its callback need, and the guarded body. Inside runtime/ only.
#include <starpu.h>

#include <atomic>
#include <memory>
#include <vector>

#include "runtime/codelet.hpp"
#include "runtime/cost_model.hpp"
#include "runtime/error_sink.hpp"
#include "runtime/memory.hpp"

namespace fringeflow::runtime {

class Runtime;

/// A submitted task: what its body and its callback need. Freed by the callback, after the last use.
struct Instance {
  Runtime* runtime = nullptr;
  ErrorSink* errors = nullptr;
  const CostModel* costs = nullptr;
  const CodeletDef* codelet = nullptr;
  std::shared_ptr<const void> arguments;
  std::vector<int64_t> buffer_bytes;
  std::vector<const Memory*> fresh;  ///< that this task is the first to write
  Tag tag;
  int64_t id = 0;
  double submit_s = 0;
  double cpu_s = -1;                           ///< of the body, when it has run on a core
  std::atomic<int64_t>* data_bytes = nullptr;  ///< of all data that have been written
};

/// Bodies as StarPU calls them, with the Instance as argument. No exception leaves them: the first one poisons the run.
void run_on_core(void* descriptors[], void* instance) noexcept;
void run_on_gpu(void* descriptors[], void* instance) noexcept;

/// What a policy is told that the task will take.
double predicted_us(starpu_task* task, starpu_perfmodel_arch* arch, unsigned implementation);

}  // namespace fringeflow::runtime
