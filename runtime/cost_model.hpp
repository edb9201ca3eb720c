// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// One cost model for scheduling, planning and forecasts: seconds per unit of work, the median of this machine's own records by
/// size of the task (powers of two of work), kept in the user's cache directory; the codelet's analytic rate until there are any.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "runtime/codelet.hpp"

namespace fringeflow::runtime {

/// One measured task.
struct CostSample {
  double work = 0, seconds = 0;
};
/// By CostModel::key().
using CostSamples = std::map<std::string, std::vector<CostSample>>;

class CostModel {
 public:
  struct Record {
    double seconds_per_work = 0;
    int64_t samples = 0;
  };
  /// By key, then by floor(log2(work)).
  using Records = std::map<std::string, std::map<int, Record>>;

  /// Loads the records of this host; a missing or unreadable file means none.
  explicit CostModel(std::filesystem::path file);
  /// The records of this host, where they are kept.
  static std::filesystem::path default_file();
  /// Predicted seconds, > 0. Between recorded sizes seconds per work are interpolated, beyond them they are the nearest's.
  double seconds(const CodeletDef& codelet, const void* arguments, Device device) const;
  /// The same for a known amount of work.
  double seconds_for(const CodeletDef& codelet, double work, Device device) const;
  /// True when seconds() rests on records.
  bool recorded(const CodeletDef& codelet, Device device) const;

  /// Adds measured tasks of a run and writes the file (temporary name, then rename). Never throws: records are a convenience.
  void learn(const CostSamples& samples);
  /// The means of these tasks stand for their sizes from now on, in this object only. Means, because their sum is the run's.
  void prefer(const CostSamples& samples);
  /// Takes over records, which stand for those of the same codelets, and writes the file. Throws RunError when that fails.
  void import(const Records& records);

  const Records& records() const { return records_; }
  /// Medians of these tasks by size; tasks without work or time are left out.
  static Records of_samples(const CostSamples& samples);
  /// These stand for those of the same codelets from now on, in this object only.
  void prefer(const Records& records);
  /// True when a task of this size was measured, or one of half or double the size.
  bool measured(const std::string& key, double work) const;
  /// Records as text, and back; damaged ones and another version's are left out.
  static std::string to_text(const Records& records);
  static Records from_text(const std::string& text);
  static std::string key(const CodeletDef& codelet, Device device);

 private:
  bool write() const;

  std::filesystem::path file_;
  Records records_;
};

}  // namespace fringeflow::runtime
