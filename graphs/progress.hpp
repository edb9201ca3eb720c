// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The progress line, and Ctrl-C as an error of the run.
#include <memory>
#include <string>

#include "runtime/runtime.hpp"

namespace fringeflow::graphs {

/// While alive: a line on a terminal with tasks done, rate and time left (quiet elsewhere); SIGINT and SIGTERM end the run with an
/// error, so that nothing is left half-written.
class RunWatch {
 public:
  /// @param predicted_s core seconds of computing that the whole run is thought to take; 0: not known
  RunWatch(runtime::Runtime& runtime, double predicted_s);
  ~RunWatch();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fringeflow::graphs
