// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a run says, for its log.txt.
#include <memory>
#include <string>

namespace fringeflow::graphs {

/// Collects what goes through info(), whether it is shown or not, and all warnings of the program while it
/// lives. One at a time, made and destroyed while nothing else logs.
class RunLog {
 public:
  RunLog();
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;

  /// Says it and keeps it; several lines are one message.
  void info(const std::string& text);
  std::string text() const;

 private:
  class Sink;
  std::shared_ptr<Sink> sink_;
};

}  // namespace fringeflow::graphs
