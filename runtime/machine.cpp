// SPDX-License-Identifier: GPL-3.0-or-later
#include "runtime/machine.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <vector>

#include "io/run_directory.hpp"

namespace fringeflow::runtime {
namespace {

namespace fs = std::filesystem;

/// The process's cgroup v2 directories, innermost first.
std::vector<fs::path> cgroup_directories() {
  std::vector<fs::path> result;
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("0::", 0) != 0) continue;
    fs::path at = "/sys/fs/cgroup" + line.substr(3);
    for (; at.string().size() >= std::string("/sys/fs/cgroup").size(); at = at.parent_path()) {
      result.push_back(at);
      if (at == "/sys/fs/cgroup") break;
    }
  }
  return result;
}

double cgroup_cpu_quota() {
  double quota = std::numeric_limits<double>::infinity();
  for (const auto& directory : cgroup_directories()) {
    std::ifstream file(directory / "cpu.max");
    std::string limit;
    double period = 0;
    if (file >> limit >> period && limit != "max" && period > 0)
      quota = std::min(quota, std::stod(limit) / period);
  }
  std::ifstream quota_v1("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
      period_v1("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double q = 0, p = 0;
  if (quota_v1 >> q && period_v1 >> p && q > 0 && p > 0) quota = std::min(quota, q / p);
  return quota;
}

int64_t status_kib(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind(key, 0) == 0) return std::stoll(line.substr(key.size()));
  return 0;
}

bool writable_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return fs::is_directory(path, error) && access(path.c_str(), W_OK) == 0;
}

}  // namespace

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  const double quota = cgroup_cpu_quota();
  if (std::isfinite(quota)) cores = std::min(cores, static_cast<int>(std::ceil(quota - 0.01)));
  return std::max(cores, 1);
}

int64_t available_memory_bytes() { return io::memory_limit_bytes(); }

int64_t peak_resident_bytes() { return status_kib("VmHWM:") * 1024; }

int64_t resident_bytes() { return status_kib("VmRSS:") * 1024; }

ProcessIo process_io() {
  ProcessIo result;
  std::ifstream file("/proc/self/io");
  std::string key;
  for (int64_t value = 0; file >> key >> value;) {
    if (key == "rchar:") result.read_chars = value;
    if (key == "wchar:") result.written_chars = value;
    if (key == "syscr:") result.read_calls = value;
    if (key == "syscw:") result.write_calls = value;
    if (key == "read_bytes:") result.read_disk = value;
    if (key == "write_bytes:") result.written_disk = value;
  }
  return result;
}

fs::path cache_directory() {
  std::vector<fs::path> candidates;
  if (const char* own = std::getenv("FRINGEFLOW_CACHE")) candidates.emplace_back(own);
  if (const char* xdg = std::getenv("XDG_CACHE_HOME")) candidates.push_back(fs::path(xdg) / "fringeflow");
  if (const char* home = std::getenv("HOME")) candidates.push_back(fs::path(home) / ".cache" / "fringeflow");
  for (const auto& candidate : candidates)
    if (writable_directory(candidate)) return candidate;
  const fs::path last = fs::temp_directory_path() / ("fringeflow-cache-" + std::to_string(getuid()));
  writable_directory(last);
  return last;
}

std::string host_name() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace fringeflow::runtime
