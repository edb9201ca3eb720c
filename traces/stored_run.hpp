// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A run directory, read again.
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "traces/timeline_file.hpp"

namespace fringeflow::traces {

class StoredRun {
 public:
  /// @param name the run directory, or the prefix of the products beside it. Throws UserError naming what is missing.
  explicit StoredRun(const std::string& name);

  const std::string& path() const { return path_; }
  /// The products' prefix, without folders: "field" for out/field-run/.
  std::string name() const;
  const nlohmann::json& metrics() const { return metrics_; }
  /// "out/field".
  std::string prefix() const;
  /// Adds figures found out afterwards.
  void add_metrics(const nlohmann::json& more) { metrics_.update(more); }
  /// Reads the timeline when it is first asked for. Throws UserError.
  const StoredTimeline& timeline() const;
  /// The resolved workflow; empty when there is none.
  std::string workflow() const;
  /// PNG previews beside the directory, sorted by name.
  std::vector<std::string> previews() const;

 private:
  std::string path_;
  nlohmann::json metrics_;
  mutable std::unique_ptr<StoredTimeline> timeline_;
};

}  // namespace fringeflow::traces
