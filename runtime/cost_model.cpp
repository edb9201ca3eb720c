// SPDX-License-Identifier: GPL-3.0-or-later
#include "runtime/cost_model.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/error.hpp"
#include "runtime/machine.hpp"

namespace fringeflow::runtime {
namespace {

int size_of(double work) { return static_cast<int>(std::floor(std::log2(work))); }

bool usable(const CostSample& sample) { return sample.work > 0 && sample.seconds > 0; }

}  // namespace

CostModel::CostModel(std::filesystem::path file) : file_(std::move(file)) {
  std::ostringstream text;
  text << std::ifstream(file_).rdbuf();
  records_ = from_text(text.str());
}

std::filesystem::path CostModel::default_file() {
  return cache_directory() / ("models-" + host_name() + ".json");
}

std::string CostModel::key(const CodeletDef& codelet, Device device) {
  return std::string(codelet.name) + "_v" + std::to_string(codelet.version) +
         (device == Device::cpu ? "_cpu" : "_cuda");
}

std::string CostModel::to_text(const Records& records) {
  auto json = nlohmann::json::object();
  for (const auto& [key, sizes] : records)
    for (const auto& [size, record] : sizes)
      json[key]["sizes"][std::to_string(size)] = {{"seconds_per_work", record.seconds_per_work},
                                                  {"samples", record.samples}};
  return json.dump(1) + "\n";
}

CostModel::Records CostModel::from_text(const std::string& text) {
  Records records;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return records;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_object() || !value.contains("sizes") || !value["sizes"].is_object()) continue;
    for (const auto& [size, record] : value["sizes"].items()) {
      if (!record.is_object()) continue;
      const auto rate = record.find("seconds_per_work"), samples = record.find("samples");
      if (rate == record.end() || !rate->is_number() || !(rate->get<double>() > 0)) continue;
      if (size.empty() || size.find_first_not_of("-0123456789") != std::string::npos || size.size() > 5)
        continue;
      records[key][std::atoi(size.c_str())] = {
          rate->get<double>(),
          samples != record.end() && samples->is_number_integer() ? samples->get<int64_t>() : 0};
    }
  }
  return records;
}

double CostModel::seconds(const CodeletDef& codelet, const void* arguments, Device device) const {
  const double work = codelet.work != nullptr && arguments != nullptr ? codelet.work(arguments) : 1.0;
  return seconds_for(codelet, work, device);
}

double CostModel::seconds_for(const CodeletDef& codelet, double work, Device device) const {
  constexpr double kLeast = 1e-6;
  const auto found = records_.find(key(codelet, device));
  if (found == records_.end() || !(work > 0))
    return std::max(work / (device == Device::cpu ? codelet.cpu_work_per_s : codelet.cuda_work_per_s),
                    kLeast);
  const auto& sizes = found->second;
  const auto above = sizes.lower_bound(size_of(work));
  if (above == sizes.end()) return std::max(work * sizes.rbegin()->second.seconds_per_work, kLeast);
  if (above->first == size_of(work) || above == sizes.begin())
    return std::max(work * above->second.seconds_per_work, kLeast);
  const auto below = std::prev(above);
  const double t = (std::log2(work) - below->first) / (above->first - below->first);
  return std::max(work * std::exp((1 - t) * std::log(below->second.seconds_per_work) +
                                  t * std::log(above->second.seconds_per_work)),
                  kLeast);
}

bool CostModel::recorded(const CodeletDef& codelet, Device device) const {
  return records_.contains(key(codelet, device));
}

CostModel::Records CostModel::of_samples(const CostSamples& all) {
  Records records;
  for (const auto& [key, samples] : all) {
    std::map<int, std::vector<double>> rates;
    for (const auto& sample : samples)
      if (usable(sample)) rates[size_of(sample.work)].push_back(sample.seconds / sample.work);
    for (auto& [size, sorted] : rates) {
      const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
      std::nth_element(sorted.begin(), middle, sorted.end());
      records[key][size] = {*middle, static_cast<int64_t>(sorted.size())};
    }
  }
  return records;
}

void CostModel::learn(const CostSamples& all) {
  for (const auto& [key, sizes] : of_samples(all))
    for (const auto& [size, fresh] : sizes) {
      auto& record = records_[key][size];
      // Runs weigh by their tasks, the past by at most as many again, so that records follow a changed machine.
      const auto count = static_cast<double>(fresh.samples);
      const auto old_weight = static_cast<double>(std::min(record.samples, fresh.samples));
      record.seconds_per_work =
          (record.seconds_per_work * old_weight + fresh.seconds_per_work * count) / (old_weight + count);
      record.samples += fresh.samples;
    }
  write();
}

void CostModel::prefer(const Records& records) {
  for (const auto& [key, sizes] : records) records_[key] = sizes;
}

bool CostModel::measured(const std::string& key, double work) const {
  const auto found = records_.find(key);
  if (found == records_.end()) return false;
  if (!(work > 0)) return true;
  const auto nearest = found->second.lower_bound(size_of(work) - 1);
  return nearest != found->second.end() && nearest->first <= size_of(work) + 1;
}

void CostModel::prefer(const CostSamples& all) {
  for (const auto& [key, samples] : all) {
    std::map<int, std::pair<CostSample, int64_t>> sums;
    for (const auto& sample : samples) {
      if (!usable(sample)) continue;
      auto& [sum, count] = sums[size_of(sample.work)];
      sum.work += sample.work;
      sum.seconds += sample.seconds;
      ++count;
    }
    for (const auto& [size, sum] : sums)
      records_[key][size] = {sum.first.seconds / sum.first.work, sum.second};
  }
}

void CostModel::import(const Records& records) {
  prefer(records);
  if (!write()) throw RunError(file_.string() + ": the records cannot be written");
}

bool CostModel::write() const {
  const auto temporary = file_.string() + "." + std::to_string(getpid());
  std::error_code error;
  {
    std::ofstream stream(temporary);
    stream << to_text(records_);
    if (!stream) error = std::make_error_code(std::errc::io_error);
  }
  if (!error) std::filesystem::rename(temporary, file_, error);
  std::error_code ignored;
  if (error) std::filesystem::remove(temporary, ignored);
  return !error;
}

}  // namespace fringeflow::runtime
