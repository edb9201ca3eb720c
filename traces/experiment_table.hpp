// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Results of an experiment: runs, medians and spread per design point, constraints, the Pareto front.
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace fringeflow::traces {

/// A number in metrics.json: a key, or a JSON pointer ("/sites/South Africa/carbon_g"). NaN where there is none.
double metric_value(const nlohmann::json& metrics, const std::string& name);

struct Objective {
  std::string metric;
  bool maximise = false;
};
struct Constraint {
  std::string metric;
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
};

/// Indices of the points that no other one is at least as good as in every objective and better in one. [point][objective];
/// points with a NaN are never on the front.
std::vector<size_t> pareto_front(const std::vector<std::vector<double>>& points,
                                 const std::vector<Objective>& objectives);

struct ExperimentRun {
  size_t point = 0;
  int repeat = 0;
  std::string status = "ok";  ///< or why there are no metrics
  std::string pixels;         ///< digest of the images' pixels; empty: none were made
  nlohmann::json metrics;
};

class ExperimentTable {
 public:
  /// @param points [point][axis], values as text
  /// @param per axes (by index) that say what is computed: each combination of their values has a front of its own
  ExperimentTable(std::vector<std::string> axes, std::vector<std::vector<std::string>> points,
                  std::vector<size_t> per = {});

  void add(ExperimentRun run);

  /// One line per run.
  std::string runs_csv() const;
  /// One line per point: medians, spread ((max - min) / median) of the time, whether the constraints hold, whether it is on the front.
  std::string summary_csv(const std::vector<Constraint>& constraints,
                          const std::vector<Objective>& front) const;
  /// The same for people, best time first.
  std::string text(const std::vector<Constraint>& constraints, const std::vector<Objective>& front) const;
  /// The same for programs and the page: axes, metrics, objectives, constraints; of each point its values, status, runs, constraints
  /// held, front, and [median, least, most] of each metric (null where there is none).
  nlohmann::json json(const std::vector<Constraint>& constraints, const std::vector<Objective>& front) const;
  /// Points whose settings differ in nothing that may change bits must have the same pixels. @return what differs, or empty.
  std::string differing_pixels() const;

 private:
  struct Summary {
    size_t runs = 0;
    std::map<std::string, double> median, least, most;
    double spread = 0;  ///< of the time
    bool holds = true, on_front = false;
    std::string status = "ok";
  };
  std::vector<Summary> summaries(const std::vector<Constraint>& constraints,
                                 const std::vector<Objective>& front) const;
  std::vector<std::string> columns() const;

  std::vector<std::string> axes_;
  std::vector<std::vector<std::string>> points_;
  std::vector<size_t> per_;
  std::vector<ExperimentRun> runs_;
};

/// One page that works offline: table of medians and spread, and a plot of any metric against any other with the Pareto front.
/// @param data ExperimentTable::json() @param spec the experiment's file, shown at the end
std::string experiment_html(const std::string& name, const nlohmann::json& data, const std::string& spec);

}  // namespace fringeflow::traces
