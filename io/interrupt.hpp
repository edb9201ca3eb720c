// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Ctrl-C as an error: what a run has under temporary names goes as its objects go.

namespace fringeflow::io {

/// While alive, SIGINT, SIGTERM and SIGHUP are remembered; the third one ends the program at once. Scopes may be nested; the outermost
/// one forgets what came before. Made and destroyed by one thread.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
};

/// True once a signal has come within the outermost scope.
bool interrupted();
/// Loops that may take seconds ask now and then, outside of tasks. Throws RunError.
void throw_if_interrupted();

}  // namespace fringeflow::io
