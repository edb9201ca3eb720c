// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Energy of a run: counters of processors (RAPL, through sysfs) and of GPUs (NVML) where they can be read, otherwise a declared
/// model of power. Which of the two it was is always said.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace fringeflow::traces {

/// What a machine is declared to draw. A GPU's busy power is on top of its idle power, and so is a core's.
struct PowerModel {
  double static_w = 0;  ///< with nothing running: processors, memory, fans, supplies, without GPUs
  double core_busy_w = 0;
  double gpu_idle_w = 0, gpu_busy_w = 0;  ///< of one

  /// J of a run of `seconds` in which cores and GPUs were busy for so many seconds in sum.
  double energy_j(double seconds, double core_busy_s, int gpus = 0, double gpu_busy_s = 0) const;
};

struct Energy {
  double joule = 0;
  std::vector<std::string> sensors;  ///< "package-0 (RAPL)"
};

/// Counts from its construction.
class EnergyMeter {
 public:
  /// @param powercap where the kernel shows RAPL's counters
  explicit EnergyMeter(const std::filesystem::path& powercap = "/sys/class/powercap");
  ~EnergyMeter();
  EnergyMeter(const EnergyMeter&) = delete;
  EnergyMeter& operator=(const EnergyMeter&) = delete;

  /// J since the construction; nothing where no processor's counter can be read. To be called more often than a counter wraps
  /// round (minutes). May be called from any thread.
  std::optional<Energy> read();
  bool available() const { return !domains_.empty(); }

 private:
  struct Domain {
    std::string name;
    std::filesystem::path file;
    int64_t last_uj = 0, range_uj = 0;
    double joule = 0;
  };
  struct Gpus;
  std::mutex mutex_;
  std::vector<Domain> domains_;
  std::unique_ptr<Gpus> gpus_;
};

}  // namespace fringeflow::traces
