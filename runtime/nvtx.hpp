// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A named range on the timeline of NVIDIA's profilers for the life of an object. Costs nothing without a
/// profiler, and is empty in a build without CUDA. NVTX 3 is headers only.
#include <cstdint>

#include "fringeflow_version.hpp"

#if FRINGEFLOW_HAVE_CUDA && __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>

namespace fringeflow::cuda {

class NvtxRange {
 public:
  /// @param rgb colour of the codelet, 0xRRGGBB
  NvtxRange(const char* name, uint32_t rgb) {
    nvtxEventAttributes_t attributes = {};
    attributes.version = NVTX_VERSION;
    attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    attributes.colorType = NVTX_COLOR_ARGB;
    attributes.color = 0xff000000u | rgb;
    attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
    attributes.message.ascii = name;
    nvtxRangePushEx(&attributes);
  }
  ~NvtxRange() { nvtxRangePop(); }
  NvtxRange(const NvtxRange&) = delete;
  NvtxRange& operator=(const NvtxRange&) = delete;
};

}  // namespace fringeflow::cuda
#else
namespace fringeflow::cuda {

class NvtxRange {
 public:
  NvtxRange(const char* /*name*/, uint32_t /*rgb*/) {}
};

}  // namespace fringeflow::cuda
#endif
