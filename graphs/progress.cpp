// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

namespace fringeflow::graphs {
namespace {

volatile std::sig_atomic_t stop_signal = 0;  // handlers can reach nothing else
void on_signal(int signal) { stop_signal = signal; }

}  // namespace

struct RunWatch::Impl {
  std::atomic<bool> ended{false};
  struct sigaction old_int {
  }, old_term{};
  std::thread thread;
};

RunWatch::RunWatch(runtime::Runtime& runtime, double predicted_s) : impl_(std::make_unique<Impl>()) {
  stop_signal = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, &impl_->old_int);
  sigaction(SIGTERM, &action, &impl_->old_term);
  const bool terminal = isatty(STDERR_FILENO) != 0;
  impl_->thread = std::thread([this, &runtime, predicted_s, terminal] {
    const auto start = std::chrono::steady_clock::now();
    for (int tick = 0; !impl_->ended; ++tick) {
      if (tick % 2 == 0) runtime.look_at_memory();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (stop_signal != 0 && !runtime.failed()) runtime.interrupt();
      if (!terminal || tick % 10 != 9) continue;
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      const auto [done, submitted] = runtime.progress();
      // The cost model knows the whole run; its own account of what is done says how fast this run really is.
      const double accounted = runtime.predicted_done_s();
      const bool known = accounted > 0 && predicted_s > accounted;
      const auto left =
          known ? fmt::format("about {:.0f} s left", (predicted_s - accounted) * seconds / accounted) : "";
      fmt::print(stderr, "\r{} of {} tasks, {:.0f} tasks/s, {:.0f} s, {:<20}", done, submitted,
                 static_cast<double>(done) / seconds, seconds, left);
    }
    runtime.look_at_memory();
    if (terminal) fmt::print(stderr, "\r{:78}\r", "");
  });
}

RunWatch::~RunWatch() {
  impl_->ended = true;
  impl_->thread.join();
  sigaction(SIGINT, &impl_->old_int, nullptr);
  sigaction(SIGTERM, &impl_->old_term, nullptr);
}

}  // namespace fringeflow::graphs
