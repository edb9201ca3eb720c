// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Where something was written, and everything that is wrong with it, all at once.
#include <string>
#include <vector>

#include "io/error.hpp"

namespace fringeflow::graphs {

/// A place in a file (1-based line and column), or, with line 0, a piece of the command line: "--cell".
struct Place {
  std::string file;
  int line = 0, column = 0;
  /// "w.yaml:3:5" or "--cell".
  std::string text() const;
};

/// "key: message", unless the place is a flag, which names the option already.
std::string about(const Place& place, const std::string& key, const std::string& message);

struct Diagnostic {
  Place place;
  std::string message;
  /// "w.yaml:3:5: message"
  std::string text() const;
};

/// All the mistakes of one workflow. what() has one line for each.
class WorkflowError : public UserError {
 public:
  explicit WorkflowError(std::vector<Diagnostic> diagnostics);
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
};

/// Collects mistakes while checking goes on.
class Diagnostics {
 public:
  void error(const Place& place, std::string message);
  void add(const Diagnostics& other);
  bool empty() const { return found_.empty(); }
  /// Throws WorkflowError, in order of place, when there is anything.
  void raise() const;

 private:
  std::vector<Diagnostic> found_;
};

}  // namespace fringeflow::graphs
