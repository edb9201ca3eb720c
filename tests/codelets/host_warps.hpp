// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A cuda::Team of threads, one a warp: what a solver forgets to wait for shows, now and then by its result and always to the thread sanitizer.
#include <barrier>
#include <thread>
#include <vector>

#include "codelets/common/cuda_team.hpp"

namespace fringeflow::test {

/// run(team) in all warps at once.
template <class Run>
void run_in_warps(Run&& run) {
  std::barrier<> barrier(cuda::kTeamWarps);
  std::vector<double> shared(static_cast<size_t>(cuda::kTeamWarps * cuda::kTeamValue));
  const cuda::HostWarps warps{[](void* state) { static_cast<std::barrier<>*>(state)->arrive_and_wait(); },
                              &barrier, shared.data()};
  std::vector<std::thread> threads;
  for (int warp = 0; warp < cuda::kTeamWarps; ++warp)
    threads.emplace_back([&, warp] { run(cuda::Team{false, &warps, warp}); });
  for (auto& thread : threads) thread.join();
}

}  // namespace fringeflow::test
