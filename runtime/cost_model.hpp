// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// One cost model for scheduling, planning and simulation: seconds per unit of work, the median of this machine's own records,
/// kept in the user's cache directory; the codelet's analytic rate until there are any.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "runtime/codelet.hpp"

namespace fringeflow::runtime {

class CostModel {
 public:
  /// Loads the records of this host; a missing or unreadable file means none.
  explicit CostModel(std::filesystem::path file);
  /// The records of this host, where they are kept.
  static std::filesystem::path default_file();
  /// Predicted seconds, > 0.
  double seconds(const CodeletDef& codelet, const void* arguments, Device device) const;
  /// Adds measured tasks of a run and writes the file (temporary name, then rename). Never throws: records are a convenience.
  void learn(const std::map<std::string, std::vector<double>>& seconds_per_work);
  static std::string key(const CodeletDef& codelet, Device device);

 private:
  struct Record {
    double seconds_per_work = 0;
    int64_t samples = 0;
  };
  std::filesystem::path file_;
  std::map<std::string, Record> records_;
};

}  // namespace fringeflow::runtime
