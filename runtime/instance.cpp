// SPDX-License-Identifier: GPL-3.0-or-later
#include "runtime/instance.hpp"

#include <time.h>

#include <new>

#include "io/error.hpp"
#include "runtime/cancelled.hpp"
#include "runtime/io_trace.hpp"
#include "runtime/nvtx.hpp"

namespace fringeflow::runtime {
namespace {

/// Seconds that this thread has been on a core.
double thread_cpu_s() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void describe_and_rethrow(const Instance& instance) {
  const auto where = [&] {
    std::string text = std::string(" [") + instance.codelet->name;
    if (instance.tag.chunk >= 0) text += ", chunk " + std::to_string(instance.tag.chunk);
    if (instance.tag.cycle >= 0) text += ", cycle " + std::to_string(instance.tag.cycle);
    return text + "]";
  };
  try {
    throw;
  } catch (const UserError&) {
    throw;
  } catch (const RunError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw RunError("out of memory" + where());
  } catch (const std::exception& error) {
    throw RunError(error.what() + where());
  } catch (...) {
    throw RunError("unknown error" + where());
  }
}

/// Of the body that this thread runs.
thread_local const ErrorSink* running = nullptr;

template <Device device>
void run_body(void* descriptors[], void* argument) noexcept {
  auto& instance = *static_cast<Instance*>(argument);
  if (instance.errors->poisoned()) return;
  running = instance.errors;
  const double begin_s = device == Device::cpu ? thread_cpu_s() : 0;
  try {
    std::vector<Buffer> buffers(instance.buffer_bytes.size());
    for (size_t i = 0; i < buffers.size(); ++i)
      buffers[i] = {reinterpret_cast<void*>(STARPU_VECTOR_GET_PTR(descriptors[i])), instance.buffer_bytes[i]};
    void* stream = nullptr;
#ifdef STARPU_USE_CUDA
    if constexpr (device == Device::cuda) stream = static_cast<void*>(starpu_cuda_get_local_stream());
#endif
    [[maybe_unused]] const cuda::NvtxRange range(instance.codelet->name, instance.codelet->colour);
    const BodyContext context(instance.arguments.get(), buffers, device, stream);
    const IoTask io_task(instance.id);
    for (const Memory* memory : instance.fresh) {
      instance.data_bytes->fetch_add(memory->bytes(), std::memory_order_relaxed);
      if constexpr (device == Device::cpu) memory->populate();
    }
    try {
      (device == Device::cpu ? instance.codelet->cpu : instance.codelet->cuda)(context);
    } catch (...) {
      describe_and_rethrow(instance);
    }
  } catch (...) {
    instance.errors->record(std::current_exception());
  }
  if constexpr (device == Device::cpu) instance.cpu_s = thread_cpu_s() - begin_s;
}

}  // namespace

void run_on_core(void* descriptors[], void* instance) noexcept {
  run_body<Device::cpu>(descriptors, instance);
}
void run_on_gpu(void* descriptors[], void* instance) noexcept {
  run_body<Device::cuda>(descriptors, instance);
}

double predicted_us(starpu_task* task, starpu_perfmodel_arch* arch, unsigned) {
  const auto* instance = static_cast<const Instance*>(task->cl_arg);
  if (instance == nullptr) return 1;
  const bool cuda = arch->ndevices > 0 && arch->devices[0].type == STARPU_CUDA_WORKER;
  return 1e6 * instance->costs->seconds(*instance->codelet, instance->arguments.get(),
                                        cuda ? Device::cuda : Device::cpu);
}

bool cancelled() { return running != nullptr && running->poisoned(); }

std::byte* BodyContext::scratch(int64_t bytes) const {
  thread_local std::unique_ptr<Memory> memory;
  if (!memory || memory->bytes() < bytes) {
    memory.reset();
    memory = std::make_unique<Memory>(bytes);
  }
  return static_cast<std::byte*>(memory->data());
}

}  // namespace fringeflow::runtime
