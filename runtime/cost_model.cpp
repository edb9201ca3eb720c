// SPDX-License-Identifier: GPL-3.0-or-later
#include "runtime/cost_model.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/machine.hpp"

namespace fringeflow::runtime {

CostModel::CostModel(std::filesystem::path file) : file_(std::move(file)) {
  std::ifstream stream(file_);
  const auto json = nlohmann::json::parse(stream, nullptr, false);
  if (!json.is_object()) return;
  for (const auto& [key, value] : json.items()) {
    // Another version's or a damaged record counts as none.
    if (!value.is_object()) continue;
    const auto rate = value.find("seconds_per_work"), samples = value.find("samples");
    if (rate == value.end() || !rate->is_number() || rate->get<double>() <= 0) continue;
    records_[key] = {rate->get<double>(),
                     samples != value.end() && samples->is_number_integer() ? samples->get<int64_t>() : 0};
  }
}

std::filesystem::path CostModel::default_file() {
  return cache_directory() / ("models-" + host_name() + ".json");
}

std::string CostModel::key(const CodeletDef& codelet, Device device) {
  return std::string(codelet.name) + "_v" + std::to_string(codelet.version) +
         (device == Device::cpu ? "_cpu" : "_cuda");
}

double CostModel::seconds(const CodeletDef& codelet, const void* arguments, Device device) const {
  const double work = codelet.work != nullptr && arguments != nullptr ? codelet.work(arguments) : 1.0;
  const auto record = records_.find(key(codelet, device));
  const double per_work = record != records_.end() ? record->second.seconds_per_work
                                                   : 1.0 / (device == Device::cpu ? codelet.cpu_work_per_s
                                                                                  : codelet.cuda_work_per_s);
  return std::max(work * per_work, 1e-6);
}

void CostModel::learn(const std::map<std::string, std::vector<double>>& seconds_per_work) {
  for (const auto& [key, samples] : seconds_per_work) {
    if (samples.empty()) continue;
    auto sorted = samples;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    auto& record = records_[key];
    // Runs weigh by their tasks, the past by at most as many again, so that records follow a changed machine.
    const double old_weight =
        static_cast<double>(std::min<int64_t>(record.samples, static_cast<int64_t>(sorted.size())));
    const double new_weight = static_cast<double>(sorted.size());
    record.seconds_per_work =
        (record.seconds_per_work * old_weight + *middle * new_weight) / (old_weight + new_weight);
    record.samples += static_cast<int64_t>(sorted.size());
  }
  nlohmann::json json;
  for (const auto& [key, record] : records_)
    json[key] = {{"seconds_per_work", record.seconds_per_work}, {"samples", record.samples}};
  const auto temporary = file_.string() + "." + std::to_string(getpid());
  std::error_code error;
  {
    std::ofstream stream(temporary);
    stream << json.dump(1) << '\n';
    if (!stream) error = std::make_error_code(std::errc::io_error);
  }
  if (!error) std::filesystem::rename(temporary, file_, error);
  if (error) std::filesystem::remove(temporary, error);
}

}  // namespace fringeflow::runtime
