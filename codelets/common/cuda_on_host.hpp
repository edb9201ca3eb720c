// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// For what has no kernel of its own: the CPU's body on copies of the buffers. Waits for the stream, against
/// the rule, so it is only for rare cases of a codelet whose usual case is a kernel (multiscale CLEAN).
#include "codelets/common/cuda_worker.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::cuda {

/// @param arguments the task's @param written the first so many buffers are copied back; all are copied to
/// the host
template <class Args>
void run_on_host(const runtime::BodyContext& context, const Args& arguments, size_t written,
                 runtime::Body cpu_body) {
  const Stream stream = stream_of(context.cuda_stream());
  std::vector<std::vector<std::max_align_t>> copies(context.size());
  std::vector<runtime::Buffer> buffers;
  for (size_t i = 0; i < context.size(); ++i) {
    copies[i].resize(static_cast<size_t>(context[i].bytes) / sizeof(std::max_align_t) + 1);
    copy_to_host(stream, context[i].data, copies[i].data(), context[i].bytes);
    buffers.push_back({copies[i].data(), context[i].bytes});
  }
  synchronise(stream);
  cpu_body(runtime::BodyContext(&arguments, buffers, runtime::Device::cpu, nullptr));
  for (size_t i = 0; i < written; ++i)
    copy_to_device(stream, buffers[i].data, context[i].data, context[i].bytes);
  synchronise(stream);
}

}  // namespace fringeflow::cuda
