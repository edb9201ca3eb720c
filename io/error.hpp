// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <stdexcept>
#include <string>

namespace fringeflow {

/// The user's mistake: command line, workflow, missing file or column, absurd value. The program ends with code 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A failure of a run: unreadable table, NaN in UVW, nothing left to image, full disk. The program ends with code 1.
class RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// No gain was found: every fit of a solver failed, had no data, or had no model. What was made before is not touched by it.
class NoSolution : public RunError {
 public:
  using RunError::RunError;
};

}  // namespace fringeflow
