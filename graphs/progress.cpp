// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "io/interrupt.hpp"

namespace fringeflow::graphs {

struct RunWatch::Impl {
  const io::InterruptScope signals;
  std::atomic<bool> ended{false};
  std::thread thread;
};

RunWatch::RunWatch(runtime::Runtime& runtime, double predicted_s) : impl_(std::make_unique<Impl>()) {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  impl_->thread = std::thread([this, &runtime, predicted_s, terminal] {
    const auto start = std::chrono::steady_clock::now();
    for (int tick = 0; !impl_->ended; ++tick) {
      if (tick % 2 == 0) runtime.look_at_memory();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (io::interrupted() && !runtime.failed()) runtime.interrupt();
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
}

}  // namespace fringeflow::graphs
