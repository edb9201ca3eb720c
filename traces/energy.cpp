// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/energy.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <fstream>
#include <system_error>

namespace fringeflow::traces {
namespace {

namespace fs = std::filesystem;

std::optional<int64_t> number_in(const fs::path& file) {
  std::ifstream stream(file);
  int64_t value = 0;
  if (stream >> value) return value;
  return std::nullopt;
}

}  // namespace

double PowerModel::energy_j(double seconds, double core_busy_s, int gpus, double gpu_busy_s) const {
  return (static_w + gpu_idle_w * gpus) * seconds + core_busy_w * core_busy_s + gpu_busy_w * gpu_busy_s;
}

/// NVIDIA's management library, loaded where the driver brought it: its counters of energy since the driver was loaded, in mJ.
struct EnergyMeter::Gpus {
  void* library = nullptr;
  int (*total_energy_mj)(void*, unsigned long long*) = nullptr;
  struct Device {
    void* handle = nullptr;
    unsigned long long first_mj = 0;
  };
  std::vector<Device> devices;

  Gpus() {
    library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return;
    const auto start = reinterpret_cast<int (*)()>(dlsym(library, "nvmlInit_v2"));
    const auto count = reinterpret_cast<int (*)(unsigned*)>(dlsym(library, "nvmlDeviceGetCount_v2"));
    const auto get =
        reinterpret_cast<int (*)(unsigned, void**)>(dlsym(library, "nvmlDeviceGetHandleByIndex_v2"));
    total_energy_mj = reinterpret_cast<int (*)(void*, unsigned long long*)>(
        dlsym(library, "nvmlDeviceGetTotalEnergyConsumption"));
    unsigned n = 0;
    if (start == nullptr || count == nullptr || get == nullptr || total_energy_mj == nullptr ||
        start() != 0 || count(&n) != 0)
      return;
    for (unsigned i = 0; i < n; ++i) {
      Device device;
      if (get(i, &device.handle) == 0 && total_energy_mj(device.handle, &device.first_mj) == 0)
        devices.push_back(device);
    }
  }
  ~Gpus() {
    if (library == nullptr) return;
    if (const auto stop = reinterpret_cast<int (*)()>(dlsym(library, "nvmlShutdown")); stop != nullptr)
      stop();
    dlclose(library);
  }
  Gpus(const Gpus&) = delete;
  Gpus& operator=(const Gpus&) = delete;

  double joule() const {
    double sum = 0;
    for (const auto& device : devices) {
      unsigned long long now = 0;
      if (total_energy_mj(device.handle, &now) == 0) sum += 1e-3 * static_cast<double>(now - device.first_mj);
    }
    return sum;
  }
};

EnergyMeter::EnergyMeter(const fs::path& powercap) : gpus_(std::make_unique<Gpus>()) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(powercap, error)) {
    const auto folder = entry.path();
    // intel-rapl:0 is a package; intel-rapl:0:0 is part of one, but memory's (dram) is not.
    const auto name = folder.filename().string();
    if (!name.starts_with("intel-rapl:")) continue;
    std::string domain;
    std::ifstream(folder / "name") >> domain;
    const bool part = std::count(name.begin(), name.end(), ':') > 1;
    if (domain != "dram" && (part || !domain.starts_with("package"))) continue;
    const auto now = number_in(folder / "energy_uj");
    if (!now) continue;
    domains_.push_back(
        {domain, folder / "energy_uj", *now, number_in(folder / "max_energy_range_uj").value_or(0), 0});
  }
  std::sort(domains_.begin(), domains_.end(), [](const auto& a, const auto& b) { return a.file < b.file; });
  // Memory alone is not the machine.
  if (std::none_of(domains_.begin(), domains_.end(), [](const auto& d) { return d.name != "dram"; }))
    domains_.clear();
}

EnergyMeter::~EnergyMeter() = default;

std::optional<Energy> EnergyMeter::read() {
  const std::lock_guard lock(mutex_);
  if (domains_.empty()) return std::nullopt;
  Energy energy;
  for (auto& domain : domains_) {
    const auto now = number_in(domain.file);
    if (!now) return std::nullopt;
    int64_t step = *now - domain.last_uj;
    if (step < 0) step += domain.range_uj;  // the counter has wrapped round
    domain.joule += 1e-6 * static_cast<double>(step);
    domain.last_uj = *now;
    energy.joule += domain.joule;
    energy.sensors.push_back(domain.name + " (RAPL)");
  }
  if (!gpus_->devices.empty()) {
    energy.joule += gpus_->joule();
    energy.sensors.push_back(std::to_string(gpus_->devices.size()) + " GPUs (NVML)");
  }
  return energy;
}

}  // namespace fringeflow::traces
