// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <span>

#include "runtime/timeline.hpp"

namespace fringeflow::traces {

/// Timelines of jobs that follow one another on the same workers, as one: all of a job waits for the last task of the one before.
/// Throws std::invalid_argument where the workers are not the same.
runtime::Timeline joined(std::span<const runtime::Timeline> timelines);

}  // namespace fringeflow::traces
