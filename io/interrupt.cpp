// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/interrupt.hpp"

#include <array>
#include <csignal>

#include "io/error.hpp"

namespace fringeflow::io {
namespace {

constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};
constexpr int kPatience = 2;
volatile std::sig_atomic_t received = 0;  // handlers can reach nothing else
int scopes = 0;
std::array<struct sigaction, kSignals.size()> before;

void on_signal(int signal) {
  // A second one may be the same Ctrl-C, forwarded by a wrapper.
  if (received == kPatience) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  received = received + 1;
}

}  // namespace

InterruptScope::InterruptScope() {
  if (scopes++ > 0) return;
  received = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &action, &before[i]);
    // nohup means what it says.
    if (kSignals[i] == SIGHUP && before[i].sa_handler == SIG_IGN) sigaction(SIGHUP, &before[i], nullptr);
  }
}

InterruptScope::~InterruptScope() {
  if (--scopes > 0) return;
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before[i], nullptr);
}

bool interrupted() { return received != 0; }

void throw_if_interrupted() {
  if (interrupted()) throw RunError("interrupted");
}

}  // namespace fringeflow::io
