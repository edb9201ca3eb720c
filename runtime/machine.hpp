// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What this process may use: cores by affinity and cgroup quota, memory below the cgroup's limit, GPUs.
#include <cstdint>
#include <filesystem>
#include <string>

namespace fringeflow::runtime {

/// Cores this process may run on: sched_getaffinity, cut down to the cgroup's CPU quota, at least 1.
int available_cores();

/// Bytes of memory this process may use: the smaller of physical memory and the cgroup's limits.
int64_t available_memory_bytes();

/// Peak resident memory of this process so far (VmHWM).
int64_t peak_resident_bytes();

/// Resident memory of this process now.
int64_t resident_bytes();

/// What this process has read and written so far (/proc/self/io); zeros where it cannot be read.
struct ProcessIo {
  int64_t read_chars = 0,
          written_chars = 0;  ///< bytes through read and write calls, cached or not; maps are not seen
  int64_t read_calls = 0, write_calls = 0;
  int64_t read_disk = 0, written_disk = 0;  ///< bytes that came from or went to the disk
};
ProcessIo process_io();

/// The user's cache directory for Fringeflow ($FRINGEFLOW_CACHE, $XDG_CACHE_HOME/fringeflow, ~/.cache/fringeflow); made if absent,
/// a temporary directory when none is writable.
std::filesystem::path cache_directory();

std::string host_name();

}  // namespace fringeflow::runtime
