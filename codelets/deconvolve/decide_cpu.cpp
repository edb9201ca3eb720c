// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <numeric>

#include "codelets/deconvolve/deconvolve.hpp"

namespace fringeflow::deconvolve {

namespace {
constexpr double kGrowth = 1.05;  ///< a residual's peak that grew by more is no accident
constexpr double kMissed = 2;     ///< times the threshold that the minor loops say was reached
}  // namespace

const char* reason_text(Reason reason) {
  switch (reason) {
    case Reason::none:
      return "not done";
    case Reason::threshold:
      return "threshold reached";
    case Reason::iterations:
      return "number of iterations reached";
    case Reason::majors:
      return "number of major cycles reached";
    case Reason::diverged:
      return "residual grew";
    case Reason::nothing:
      return "nothing to clean";
    case Reason::stalled:
      return "no component found";
  }
  return "";
}

Decision decide(const LoopOptions& options, LoopState& state, const Robust& robust, const Peak& peak) {
  const auto end = [&](Reason reason) {
    state.done = 1;
    if (state.reason == Reason::none) state.reason = reason;
    return Decision{};
  };
  if (state.done) return {};
  const double peak_before = state.peak;
  state.sigma = robust.sigma;
  state.peak = state.masked ? peak.masked_value : peak.value;
  const int32_t majors =
      state.masked ? std::max(options.max_major, state.mask_cycle + options.extra_major) : options.max_major;
  if (state.cycle > 0 && state.halvings < kMostHalvings) {
    const bool grew = state.peak > kGrowth * peak_before;
    // Minor loops that are already known to go wrong may think that they are there.
    const bool missed = state.finished && state.reason == Reason::none && state.halvings > 0 &&
                        state.cycle < majors && state.peak > kMissed * state.threshold;
    if (grew || missed) ++state.halvings;
    if (missed) state.finished = 0;
  }
  if (state.finished) return end(Reason::threshold);
  if (robust.finite == 0 || !(peak.value > 0)) return end(Reason::nothing);
  if (state.cycle == 0) state.start_peak = peak.value;
  if (peak.value > options.divergence * state.start_peak) return end(Reason::diverged);
  if (state.iterations >= options.max_iterations) return end(Reason::iterations);
  if (state.cycle >= majors) return end(Reason::majors);

  const bool auto_mask = options.auto_mask_sigma > 0;
  const auto last = [&] {
    return std::max(
        options.threshold_jy,
        (auto_mask && !state.masked ? options.auto_mask_sigma : options.threshold_sigma) * robust.sigma);
  };
  double floor = last();
  if (auto_mask && !state.masked && state.peak <= floor) {
    // Nothing is left for the free stage: no cycle is spent on it.
    state.masked = 1;
    state.mask_cycle = state.cycle;
    state.peak = peak.masked_value;
    floor = last();
  }
  if (!(state.peak > floor)) return end(state.cycle == 0 ? Reason::nothing : Reason::threshold);
  const double major = state.peak * (1 - std::ldexp(options.major_gain, -state.halvings));
  state.threshold = std::max(floor, major);
  state.is_final = floor >= major;
  ++state.cycle;
  return {true, state.masked != 0, state.is_final != 0, state.threshold,
          options.max_iterations - state.iterations};
}

std::vector<int64_t> share_iterations(int64_t budget, std::span<const ComponentHeader> headers) {
  int64_t taken = 0;
  for (const ComponentHeader& header : headers) taken += header.iterations;
  if (taken <= budget) return std::vector<int64_t>(headers.size(), -1);
  // No loop takes more than the budget, at most 1e9: products fit.
  std::vector<int64_t> shares, remainders;
  int64_t left = budget;
  for (const ComponentHeader& header : headers) {
    shares.push_back(header.iterations * budget / taken);
    remainders.push_back(header.iterations * budget % taken);
    left -= shares.back();
  }
  std::vector<size_t> order(headers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return remainders[a] > remainders[b]; });
  for (size_t i = 0; i < static_cast<size_t>(left); ++i) ++shares[order[i]];
  return shares;
}

void absorb(const LoopOptions& options, LoopState& state, std::span<const ComponentHeader> headers) {
  if (state.done) return;
  bool reached = true, any = false, diverged = false;
  for (const ComponentHeader& header : headers) {
    state.iterations += header.iterations;
    any = any || header.count > 0;
    diverged = diverged || (header.flags & kDiverged);
    reached = reached && (header.flags & kReached) && !(header.flags & kRaised);
  }
  if (state.is_final && reached) {
    if (options.auto_mask_sigma > 0 && !state.masked) {
      state.masked = 1;
      state.mask_cycle = state.cycle;
    } else {
      state.finished = 1;
    }
  } else if (!any) {
    if (diverged && state.halvings < kMostHalvings) {
      // Not a cycle: nothing has changed.
      ++state.halvings;
      --state.cycle;
      return;
    }
    // The same residual would give the same nothing again.
    state.finished = 1;
    state.reason = diverged ? Reason::diverged : Reason::stalled;
  }
}

}  // namespace fringeflow::deconvolve
