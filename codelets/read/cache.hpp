// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// keep and recall: a compact copy on disk of chunks that do not fit in memory, as they lie in their buffers. Blocking, on an I/O
/// worker. A MeasurementSet has flags, several correlations and tables around what an image needs of it.
#include <memory>

#include "io/scratch_file.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow {

struct CacheArgs {
  std::shared_ptr<io::ScratchFile> file;
  int64_t offset = 0, bytes = 0;  ///< of the chunk
};

/// Buffers: chunk (read), its token (write).
const runtime::CodeletDef& keep_codelet();
/// Buffers: chunk (write), its token (read).
const runtime::CodeletDef& recall_codelet();

}  // namespace fringeflow
