// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/experiment_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace fringeflow::traces {
namespace {

constexpr const char* kMetrics[] = {"time_s",     "makespan_s",       "critical_path_s",   "area_bound_s",
                                    "efficiency", "utilisation",      "serial_share",      "hidden_io",
                                    "energy_j",   "throughput_vis_s", "peak_memory_bytes", "model_error",
                                    "power_w"};
// Where runs have them.
constexpr const char* kQuality[] = {"dirty_rms_jy_beam",
                                    "noise_jy_beam",
                                    "dynamic_range",
                                    "psnr_db",
                                    "ssim",
                                    "astrometric_error_asec",
                                    "photometric_error_relative"};

std::string csv(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c == '\n' ? ' ' : c);
  quoted += '"';
  return quoted;
}

std::string csv(double value) { return std::isnan(value) ? "" : fmt::format("{:.9g}", value); }

double median(std::vector<double> values) {
  if (values.empty()) return std::nan("");
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

}  // namespace

double metric_value(const nlohmann::json& metrics, const std::string& name) {
  if (name.starts_with('/')) {
    const nlohmann::json::json_pointer pointer(name);
    return metrics.contains(pointer) && metrics[pointer].is_number() ? metrics[pointer].get<double>()
                                                                     : std::nan("");
  }
  const auto found = metrics.find(name);
  return found != metrics.end() && found->is_number() ? found->get<double>() : std::nan("");
}

std::vector<size_t> pareto_front(const std::vector<std::vector<double>>& points,
                                 const std::vector<Objective>& objectives) {
  auto dominates = [&](const std::vector<double>& a, const std::vector<double>& b) {
    bool better = false;
    for (size_t k = 0; k < objectives.size(); ++k) {
      const double x = objectives[k].maximise ? -a[k] : a[k], y = objectives[k].maximise ? -b[k] : b[k];
      if (!(x <= y)) return false;
      better = better || x < y;
    }
    return better;
  };
  std::vector<size_t> front;
  for (size_t i = 0; i < points.size(); ++i) {
    if (std::any_of(points[i].begin(), points[i].end(), [](double v) { return std::isnan(v); })) continue;
    if (std::none_of(points.begin(), points.end(),
                     [&](const auto& other) { return dominates(other, points[i]); }))
      front.push_back(i);
  }
  return front;
}

ExperimentTable::ExperimentTable(std::vector<std::string> axes, std::vector<std::vector<std::string>> points,
                                 std::vector<size_t> per)
    : axes_(std::move(axes)), points_(std::move(points)), per_(std::move(per)) {}

void ExperimentTable::add(ExperimentRun run) { runs_.push_back(std::move(run)); }

std::vector<std::string> ExperimentTable::columns() const {
  std::vector<std::string> names(std::begin(kMetrics), std::end(kMetrics));
  for (const char* name : kQuality)
    if (std::any_of(runs_.begin(), runs_.end(), [&](const auto& run) { return run.metrics.contains(name); }))
      names.emplace_back(name);
  std::set<std::string> sites;
  for (const auto& run : runs_)
    if (run.metrics.contains("sites"))
      for (const auto& [site, unused] : run.metrics["sites"].items()) sites.insert(site);
  for (const auto& site : sites)
    for (const char* what : {"carbon_g", "cost_per_job_usd"}) names.push_back("/sites/" + site + "/" + what);
  return names;
}

std::string ExperimentTable::runs_csv() const {
  const auto names = columns();
  std::string text = "point,repeat";
  for (const auto& axis : axes_) text += fmt::format(",{}", csv(axis));
  text += ",status,pixels";
  for (const auto& name : names) text += fmt::format(",{}", csv(name));
  text += "\n";
  auto sorted = runs_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::tie(a.point, a.repeat) < std::tie(b.point, b.repeat);
  });
  for (const auto& run : sorted) {
    text += fmt::format("{},{}", run.point, run.repeat);
    for (const auto& value : points_[run.point]) text += fmt::format(",{}", csv(value));
    text += fmt::format(",{},{}", csv(run.status), run.pixels);
    for (const auto& name : names) text += fmt::format(",{}", csv(metric_value(run.metrics, name)));
    text += "\n";
  }
  return text;
}

std::vector<ExperimentTable::Summary> ExperimentTable::summaries(const std::vector<Constraint>& constraints,
                                                                 const std::vector<Objective>& front) const {
  std::set<std::string> names;
  for (const auto& name : columns()) names.insert(name);
  for (const auto& one : constraints) names.insert(one.metric);
  for (const auto& one : front) names.insert(one.metric);
  std::vector<Summary> result(points_.size());
  for (size_t p = 0; p < points_.size(); ++p) {
    auto& summary = result[p];
    std::vector<const ExperimentRun*> good;
    for (const auto& run : runs_) {
      if (run.point != p) continue;
      if (run.status == "ok")
        good.push_back(&run);
      else
        summary.status = run.status;
    }
    summary.runs = good.size();
    for (const auto& name : names) {
      std::vector<double> values;
      for (const auto* run : good) values.push_back(metric_value(run->metrics, name));
      summary.median[name] = median(values);
      std::erase_if(values, [](double v) { return std::isnan(v); });
      summary.least[name] = values.empty() ? std::nan("") : *std::min_element(values.begin(), values.end());
      summary.most[name] = values.empty() ? std::nan("") : *std::max_element(values.begin(), values.end());
      if (name == "time_s" && !values.empty())
        summary.spread = (summary.most[name] - summary.least[name]) / summary.median[name];
    }
    for (const auto& one : constraints) {
      const double value = summary.median[one.metric];
      summary.holds = summary.holds && value >= one.least && value <= one.most;  // false for NaN
    }
    summary.holds = summary.holds && !good.empty();
  }
  if (front.empty()) return result;
  std::map<std::vector<std::string>, std::vector<size_t>> groups;
  for (size_t p = 0; p < points_.size(); ++p) {
    std::vector<std::string> problem;
    for (const size_t axis : per_) problem.push_back(points_[p][axis]);
    groups[problem].push_back(p);
  }
  for (const auto& [unused, members] : groups) {
    std::vector<std::vector<double>> values;
    for (const size_t p : members) {
      values.emplace_back();
      for (const auto& one : front)
        values.back().push_back(result[p].holds ? result[p].median.at(one.metric) : std::nan(""));
    }
    for (const size_t i : pareto_front(values, front)) result[members[i]].on_front = true;
  }
  return result;
}

std::string ExperimentTable::summary_csv(const std::vector<Constraint>& constraints,
                                         const std::vector<Objective>& front) const {
  const auto names = columns();
  const auto all = summaries(constraints, front);
  std::string text = "point";
  for (const auto& axis : axes_) text += fmt::format(",{}", csv(axis));
  text += ",runs,status,constraints_hold,on_front,time_spread";
  for (const auto& name : names) text += fmt::format(",{}", csv(name));
  text += "\n";
  for (size_t p = 0; p < points_.size(); ++p) {
    text += std::to_string(p);
    for (const auto& value : points_[p]) text += fmt::format(",{}", csv(value));
    text += fmt::format(",{},{},{},{},{}", all[p].runs, csv(all[p].status), all[p].holds ? 1 : 0,
                        all[p].on_front ? 1 : 0, csv(all[p].spread));
    for (const auto& name : names) text += fmt::format(",{}", csv(all[p].median.at(name)));
    text += "\n";
  }
  return text;
}

nlohmann::json ExperimentTable::json(const std::vector<Constraint>& constraints,
                                     const std::vector<Objective>& front) const {
  auto names = columns();
  for (const auto& one : front)
    if (std::find(names.begin(), names.end(), one.metric) == names.end()) names.push_back(one.metric);
  const auto all = summaries(constraints, front);
  auto number = [](double value) {
    return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
  };
  nlohmann::json json{{"axes", axes_},
                      {"metrics", names},
                      {"objectives", nlohmann::json::array()},
                      {"constraints", nlohmann::json::array()},
                      {"points", nlohmann::json::array()}};
  for (const auto& one : front)
    json["objectives"].push_back({{"metric", one.metric}, {"maximise", one.maximise}});
  for (const auto& one : constraints)
    json["constraints"].push_back(
        {{"metric", one.metric}, {"least", number(one.least)}, {"most", number(one.most)}});
  for (size_t p = 0; p < points_.size(); ++p) {
    nlohmann::json values = nlohmann::json::array();
    for (const auto& name : names)
      values.push_back(
          {number(all[p].median.at(name)), number(all[p].least.at(name)), number(all[p].most.at(name))});
    json["points"].push_back({{"settings", points_[p]},
                              {"runs", all[p].runs},
                              {"status", all[p].status},
                              {"holds", all[p].holds},
                              {"front", all[p].on_front},
                              {"values", std::move(values)}});
  }
  return json;
}

std::string ExperimentTable::text(const std::vector<Constraint>& constraints,
                                  const std::vector<Objective>& front) const {
  const auto all = summaries(constraints, front);
  std::vector<size_t> order(points_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const double x = all[a].median.at("time_s"), y = all[b].median.at("time_s");
    return !std::isnan(x) && (std::isnan(y) || x < y);
  });
  std::string text;
  std::vector<size_t> widths;
  for (size_t a = 0; a < axes_.size(); ++a) {
    size_t width = axes_[a].size();
    for (const auto& point : points_) width = std::max(width, point[a].size());
    widths.push_back(width + 2);
    text += fmt::format("{:<{}}", axes_[a], widths.back());
  }
  text += fmt::format("{:>10}{:>9}{:>10}{:>9}{:>11}{:>8}\n", "time s", "spread", "busy", "energy J",
                      "memory MiB", "front");
  for (const size_t p : order) {
    const auto& summary = all[p];
    for (size_t a = 0; a < axes_.size(); ++a) text += fmt::format("{:<{}}", points_[p][a], widths[a]);
    if (summary.runs == 0) {
      text += fmt::format("  {}\n", summary.status);
      continue;
    }
    text += fmt::format("{:>10.3f}{:>8.1f}%{:>9.1f}%{:>9.4g}{:>11.0f}{:>8}{}\n", summary.median.at("time_s"),
                        100 * summary.spread, 100 * summary.median.at("utilisation"),
                        summary.median.at("energy_j"), summary.median.at("peak_memory_bytes") / (1 << 20),
                        summary.on_front ? "*" : "", summary.holds ? "" : "  breaks a constraint");
  }
  return text;
}

std::string ExperimentTable::differing_pixels() const {
  std::map<std::vector<std::string>, std::pair<std::string, size_t>>
      first;  // of the settings that may change bits
  for (const auto& run : runs_) {
    if (run.pixels.empty()) continue;
    std::vector<std::string> settings;
    for (size_t a = 0; a < axes_.size(); ++a)
      if (!axes_[a].starts_with("runtime.") && axes_[a] != "machine")
        settings.push_back(points_[run.point][a]);
    const auto [found, fresh] = first.try_emplace(settings, run.pixels, run.point);
    if (!fresh && found->second.first != run.pixels)
      return fmt::format("points {} and {} have other pixels", found->second.second, run.point);
  }
  return {};
}

}  // namespace fringeflow::traces
