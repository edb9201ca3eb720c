// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a solver says of its fits: convergence, χ², failures.
#include <cstdint>
#include <string>
#include <vector>

#include "codelets/calibrate/calibrate.hpp"

namespace fringeflow::graphs {

class FitSummary {
 public:
  void add(const calibrate::Outcome& one);
  /// @param path of the set   @param where "12 intervals"   @param tolerance of the solver
  /// Throws NoSolution.
  void report(const std::string& path, const std::string& where, double tolerance);

 private:
  int64_t fits_ = 0, failed_ = 0, unconverged_ = 0, empty_ = 0, found_ = 0;
  double data_ = 0, residual_ = 0;
  std::vector<int32_t> iterations_;
};

}  // namespace fringeflow::graphs
