// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// io::GainLookup as kernels see it.
#include <memory>
#include <vector>

#include "codelets/common/cuda_complex.hpp"
#include "codelets/common/cuda_worker.hpp"
#include "io/gain_lookup.hpp"

namespace fringeflow::cuda {

struct GainTables {
  const Complex* all_jones = nullptr;  ///< [time][frequency][antenna][4]; null: unit matrices
  const uint8_t* all_valid = nullptr;  ///< [time][frequency][antenna][hand]
  int64_t frequencies = 1, antennas = 0;

  FF_HD int64_t index(int64_t time, int64_t frequency, int64_t antenna) const {
    return (time * frequencies + frequency) * antennas + antenna;
  }
  FF_HD const Complex* jones(int64_t at) const { return all_jones + 4 * at; }
  FF_HD bool valid(int64_t at, int hand) const { return all_valid[2 * at + hand] != 0; }
};

/// In the host's memory, for tests.
inline GainTables host_gains(const io::GainLookup& gains) {
  return {as_complex(gains.all_jones().data()), gains.all_valid().data(), gains.frequencies(),
          gains.antennas()};
}

/// A vector of something that the worker keeps, on the device. @param values not empty
template <class T>
const T* kept(Worker& worker, const std::shared_ptr<const void>& owner, std::span<const T> values) {
  return worker.made(std::shared_ptr<const void>(owner, values.data()),
                     [&] { return std::vector<T>(values.begin(), values.end()); });
}

inline GainTables device_gains(Worker& worker, const std::shared_ptr<const io::GainLookup>& gains) {
  return {as_complex(kept(worker, gains, gains->all_jones())), kept(worker, gains, gains->all_valid()),
          gains->frequencies(), gains->antennas()};
}

}  // namespace fringeflow::cuda
