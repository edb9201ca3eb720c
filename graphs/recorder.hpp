// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A sink that only looks: the physical graph of a job for plan and graph, built by the same builder that runs it.
#include <string>
#include <vector>

#include "runtime/codelet.hpp"
#include "runtime/cost_model.hpp"
#include "runtime/dependencies.hpp"

namespace fringeflow::graphs {

class Recorder final : public runtime::TaskSink {
 public:
  runtime::DataId create(runtime::DataSpec spec) override;
  int64_t submit(runtime::Task task) override;
  bool wait(int64_t ticket) override {
    dependencies_.wait(ticket);
    return false;
  }
  bool failed() const override { return false; }

  const std::vector<runtime::DataSpec>& data() const { return data_; }
  const std::vector<runtime::Task>& tasks() const { return tasks_; }
  const runtime::Dependencies& dependencies() const { return dependencies_; }

 private:
  std::vector<runtime::DataSpec> data_;
  std::vector<runtime::Task> tasks_;
  runtime::Dependencies dependencies_;
};

/// Totals of a recorded graph under a cost model.
struct GraphTotals {
  struct PerCodelet {
    const runtime::CodeletDef* codelet = nullptr;
    int64_t count = 0;
    double seconds = 0, work = 0;
  };
  std::vector<PerCodelet> codelets;
  double compute_s = 0, io_s = 0, critical_path_s = 0;
};
GraphTotals totals(const Recorder& recorder, const runtime::CostModel& costs);

/// dot, mermaid or json; beyond `most` tasks, tasks of one codelet and cycle become one node. Throws UserError for another format.
std::string dump(const Recorder& recorder, const runtime::CostModel& costs, const std::string& format,
                 size_t most = 400);

}  // namespace fringeflow::graphs
