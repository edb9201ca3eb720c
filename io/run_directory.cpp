// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/run_directory.hpp"

#include <H5public.h>
#include <casacore/casa/version.h>
#include <fftw3.h>
#include <fitsio.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <wcs.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "io/atomic_file.hpp"
#include "io/error.hpp"

namespace fringeflow::io {
namespace {

namespace fs = std::filesystem;

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(std::min(line.find(':') + 2, line.size()));
  }
  return "unknown";
}

int usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // Fails on machines of more than 1024 CPUs only, where the mask does not fit.
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

int64_t machine_memory() { return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE); }

void take_limit(const fs::path& file, std::optional<int64_t>& limit) {
  std::ifstream in(file);
  int64_t value = 0;
  if (in >> value && value > 0)
    limit = std::min(limit.value_or(value), value);  // "max" is no number: no limit
}

/// The smallest limit of the control groups above this process, of version 1 or 2; nothing when there is none
/// below the machine's memory.
std::optional<int64_t> group_limit() {
  std::optional<int64_t> limit;
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    const bool unified = controllers == ",,";
    if (!unified && controllers.find(",memory,") == std::string::npos) continue;
    const fs::path root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const char* name = unified ? "memory.max" : "memory.limit_in_bytes";
    // In a container the path may be that of the host and not exist; its root is the container's group then.
    for (fs::path group = line.substr(second + 1);; group = group.parent_path()) {
      take_limit(root / group.relative_path() / name, limit);
      if (!group.has_relative_path()) break;
    }
  }
  if (limit && *limit >= machine_memory()) limit.reset();
  return limit;
}

}  // namespace

int64_t memory_limit_bytes() { return group_limit().value_or(machine_memory()); }

nlohmann::json machine_info() {
  utsname system{};
  uname(&system);
  const auto limit = group_limit();
  return {{"cpu_model", cpu_model()},
          {"cores", sysconf(_SC_NPROCESSORS_CONF)},
          {"usable_cpus", usable_cpus()},
          {"memory_bytes", machine_memory()},
          {"memory_limit_bytes", limit ? nlohmann::json(*limit) : nlohmann::json(nullptr)},
          {"system", fmt::format("{} {} {}", system.sysname, system.release, system.machine)},
          {"host", system.nodename}};
}

nlohmann::json library_versions() {
  float cfitsio = 0;
  fits_get_version(&cfitsio);
  int wcs[3] = {};
  wcslib_version(wcs);
  unsigned hdf5[3] = {};
  H5get_libversion(&hdf5[0], &hdf5[1], &hdf5[2]);
  return {{"casacore", casacore::getVersion()},
          {"cfitsio", fmt::format("{:.4g}", cfitsio)},
          {"wcslib", fmt::format("{}.{}.{}", wcs[0], wcs[1], wcs[2])},
          {"hdf5", fmt::format("{}.{}.{}", hdf5[0], hdf5[1], hdf5[2])},
          {"fftw", std::string(fftwf_version)}};
}

RunDirectory::RunDirectory(const std::string& prefix) : path_(prefix + "-run") {
  std::error_code error;
  made_ = fs::create_directories(path_, error);
  if (error || !fs::is_directory(path_)) {
    throw RunError(fmt::format("{}: the run directory cannot be made: {}", path_,
                               error ? error.message() : "a file of this name is in the way"));
  }
}

RunDirectory::~RunDirectory() {
  std::error_code ignored;
  if (made_) fs::remove(path_, ignored);  // which a folder with files in it survives
}

std::string RunDirectory::file(std::string_view name) const { return fmt::format("{}/{}", path_, name); }

void RunDirectory::write_text(std::string_view name, std::string_view text) const {
  write_file(file(name), text);
}

void RunDirectory::write_json(std::string_view name, const nlohmann::json& value) const {
  // Names of files may hold bytes that are no UTF-8; they must not end a run that is otherwise good.
  write_text(name, value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void RunDirectory::write_environment(nlohmann::json versions) const {
  versions.update(library_versions());
  write_json("machine.json", machine_info());
  write_json("versions.json", versions);
}

}  // namespace fringeflow::io
