// SPDX-License-Identifier: GPL-3.0-or-later
#include "runtime/memory_nodes.hpp"

#include <starpu.h>

#include "fringeflow_version.hpp"

namespace fringeflow::runtime {

std::vector<std::pair<std::string, int64_t>> memory_nodes_in_use(int64_t data_bytes) {
  std::vector<std::pair<std::string, int64_t>> nodes;
  for (unsigned node = 0; node < starpu_memory_nodes_get_count(); ++node) {
    const auto used = static_cast<int64_t>(starpu_memory_get_used(node));
    if (starpu_node_get_kind(node) == STARPU_CPU_RAM)
      nodes.emplace_back("data in main memory", used + (node == STARPU_MAIN_RAM ? data_bytes : 0));
    else
      nodes.emplace_back("data in GPU " + std::to_string(starpu_memory_node_get_devid(node)), used);
  }
#if defined(STARPU_USE_CUDA) && FRINGEFLOW_HAVE_CUDA
  for (unsigned node = 0; node < starpu_memory_nodes_get_count(); ++node) {
    if (starpu_node_get_kind(node) != STARPU_CUDA_RAM) continue;
    const int device = starpu_memory_node_get_devid(node);
    size_t free = 0, all = 0;
    if (cudaSetDevice(device) == cudaSuccess && cudaMemGetInfo(&free, &all) == cudaSuccess)
      nodes.emplace_back("GPU " + std::to_string(device) + " in all", static_cast<int64_t>(all - free));
    else
      nodes.emplace_back("GPU " + std::to_string(device) + " in all", 0);
  }
#endif
  return nodes;
}

void thin(std::vector<MemorySample>& samples) {
  constexpr size_t kMost = 36000;
  if (samples.size() > kMost) std::erase_if(samples, [i = 0](const auto&) mutable { return i++ % 2 == 1; });
}

}  // namespace fringeflow::runtime
