// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// The page of a run: its data and the previews.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string_view>

#include "io/atomic_file.hpp"
#include "traces/metrics.hpp"
#include "traces/page.hpp"
#include "traces/report.hpp"

namespace fringeflow::embedded {
extern const std::string_view report_html;
}

namespace fringeflow::traces {
namespace {

using nlohmann::json;

constexpr size_t kMostDrawn = 60000;  // more are neither seen nor drawn in time

std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve(bytes.size() * 4 / 3 + 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) text += k <= n ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

json page_data(const StoredRun& run) {
  const auto& stored = run.timeline();
  const auto& timeline = stored.timeline();
  const auto path = metrics(timeline).critical_path;
  json data{{"metrics", run.metrics()},  {"begin_s", timeline.begin_s}, {"workers", json::array()},
            {"codelets", json::array()}, {"tasks", json::array()},      {"memory", json::array()},
            {"images", json::array()},   {"workflow", run.workflow()}};
  for (const auto& worker : timeline.workers) data["workers"].push_back(worker.name);
  std::map<const runtime::CodeletDef*, size_t> index;
  for (const auto& task : timeline.tasks)
    if (index.try_emplace(task.codelet, index.size()).second)
      data["codelets"].push_back(
          {{"name", task.codelet->name}, {"colour", fmt::format("#{:06x}", task.codelet->colour)}});
  double shortest = 0;
  if (timeline.tasks.size() > kMostDrawn) {
    std::vector<double> seconds;
    for (const auto& task : timeline.tasks) seconds.push_back(task.end_s - task.start_s);
    std::nth_element(seconds.begin(), seconds.begin() + kMostDrawn, seconds.end(), std::greater<>());
    shortest = seconds[kMostDrawn];
  }
  auto microseconds = [](double s) { return std::round(s * 1e6) * 1e-6; };
  int64_t left_out = stored.left_out();
  for (const auto& task : timeline.tasks) {
    if (task.end_s - task.start_s < shortest) {
      ++left_out;
      continue;
    }
    data["tasks"].push_back(
        json::array({task.worker, microseconds(task.start_s), microseconds(task.end_s), index[task.codelet],
                     task.id, task.tag.chunk, task.tag.facet, task.tag.cycle,
                     std::binary_search(path.begin(), path.end(), task.id) ? 1 : 0}));
  }
  data["left_out"] = left_out;
  data["left_out_of_file"] = stored.left_out();
  for (const auto& sample : timeline.memory)
    data["memory"].push_back(json::array({microseconds(sample.at_s), sample.bytes}));
  data["nodes"] = json::array();
  for (const auto& node : timeline.nodes) {
    auto samples = json::array();
    for (const auto& sample : node.samples)
      samples.push_back(json::array({microseconds(sample.at_s), sample.bytes}));
    data["nodes"].push_back({{"name", node.name}, {"samples", std::move(samples)}});
  }
  for (const auto& file : run.previews())
    data["images"].push_back({{"name", std::filesystem::path(file).filename().string()},
                              {"url", "data:image/png;base64," + base64(io::read_file(file))}});
  return data;
}

}  // namespace

std::string report_html(const StoredRun& run) {
  return fill_page(embedded::report_html, "Fringeflow: " + run.name(), page_data(run));
}

}  // namespace fringeflow::traces
