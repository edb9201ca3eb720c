// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Reads and writes of a run as Darshan counts them, by file and by codelet, and as events that DFTracer's tools read.
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/io_trace.hpp"
#include "runtime/machine.hpp"
#include "runtime/timeline.hpp"

namespace fringeflow::traces {

/// Of both directions: calls, bytes, seconds, sizes (Darshan's ten bins), requests below 1 MB, misaligned (offset no multiple of 4096),
/// sequential (not before the end of the last one in the file) and consecutive (right there); bytes read / different bytes read; the
/// files with the most bytes; codelets. @param process bytes of /proc/self/io over the same time, which the sums are held against
/// @param probes bytes of those that children read, which looked at sets before they were opened
nlohmann::json io_statistics(const runtime::IoTrace& trace, const runtime::Timeline& timeline,
                             const runtime::ProcessIo& process, int64_t probes = 0);

/// Chrome-trace lines inside an array that is left open, as DFTracer writes them (.pfw), from the first call on; the first line says in
/// timeline_begins at which microsecond the timeline has its 0. @param most of the events, the longest
std::string dftracer_events(const runtime::IoTrace& trace, const runtime::Timeline& timeline,
                            size_t most = 100000);

}  // namespace fringeflow::traces
