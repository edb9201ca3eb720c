// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <cstdint>
#include <memory>

namespace fringeflow::graphs {

/// What is known of a job whose graph has been recorded and not run.
struct RecordedFacts {
  int64_t visibilities = 0, peak_bytes = 0;
  std::shared_ptr<const void> owner;  ///< what the tasks' arguments point into
};

}  // namespace fringeflow::graphs
