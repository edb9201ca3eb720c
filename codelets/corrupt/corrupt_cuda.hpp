// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// corrupt on the device: a thread a row and channel. Random numbers are functions of a counter, so that the bits of uniform numbers are
/// the CPU's; normal ones differ by the rounding of the device's logarithm, sine and cosine.
#include <memory>
#include <vector>

#include "codelets/common/cuda_gains.hpp"
#include "codelets/corrupt/corrupt_tasks.hpp"
#include "codelets/corrupt/random.hpp"

namespace fringeflow::corrupt {

/// What a row is looked up by.
struct RowPlace {
  int32_t p = 0, q = 0, gain_time = 0, time_number = 0;
  double time_s = 0;
};
std::vector<RowPlace> row_places(const Instrument& instrument, const RowKeys& keys, int64_t rows);

/// RfiBurst without its responses.
struct BurstBounds {
  double begin_s = 0, end_s = 0, freq_begin_hz = 0, freq_end_hz = 0, flux_jy = 0;
};
std::vector<BurstBounds> burst_bounds(const std::vector<RfiBurst>& bursts);
/// [burst][antenna][hand]
std::vector<std::complex<double>> burst_responses(const std::vector<RfiBurst>& bursts);

/// An Instrument's tables on the device (or, in tests, the host).
struct InstrumentTables {
  int correlations = 0, element[4] = {};  ///< matrix_element() of each
  bool circular = false;
  cuda::GainTables gains;                   ///< without matrices: none
  const int32_t* gain_frequency = nullptr;  ///< [channel]; with gains
  double noise_jy = 0;
  uint64_t seed = 0;
  int64_t bursts = 0, burst_antennas = 0;
  const BurstBounds* bounds = nullptr;      ///< [burst]
  const cuda::Complex* response = nullptr;  ///< [burst][antenna][hand]
  const double* freq_hz = nullptr;          ///< [channel]; with bursts
};
/// What does not depend on where the tables are.
InstrumentTables instrument_numbers(const Instrument& instrument);

/// Sample i of [row][channel].
struct CorruptSample {
  InstrumentTables instrument;
  const RowPlace* places;         ///< [row]
  const cuda::Visibility* model;  ///< [stokes][row][channel]
  int64_t rows, channels, stokes;
  cuda::Visibility* vis;  ///< [row][channel][correlation]

  int64_t count() const { return rows * channels; }

  FF_HD void operator()(int64_t i) const {
    using cuda::Complex;
    const int64_t row = i / channels, c = i % channels;
    const RowPlace place = places[row];
    Complex v[4];
    coherency(i, v);
    bool good_p[2] = {true, true}, good_q[2] = {true, true};
    if (instrument.gains.all_jones != nullptr) {
      const auto& gains = instrument.gains;
      const int64_t at_p = gains.index(place.gain_time, instrument.gain_frequency[c], place.p),
                    at_q = gains.index(place.gain_time, instrument.gain_frequency[c], place.q);
      for (int hand = 0; hand < 2; ++hand) {
        good_p[hand] = gains.valid(at_p, hand);
        good_q[hand] = gains.valid(at_q, hand);
      }
      see_through(gains.jones(at_p), gains.jones(at_q), v);
    }
    for (int k = 0; k < 4; ++k) {
      if (k >= instrument.correlations) break;
      const int element = instrument.element[k], a = element / 2, b = element % 2;
      const Complex seen = element < 2 ? (element == 0 ? v[0] : v[1]) : (element == 2 ? v[2] : v[3]);
      Complex x = (a == 0 ? good_p[0] : good_p[1]) && (b == 0 ? good_q[0] : good_q[1]) ? seen : Complex();
      for (int64_t burst = 0; burst < instrument.bursts; ++burst) {
        const BurstBounds& at = instrument.bounds[burst];
        if (place.time_s < at.begin_s || place.time_s > at.end_s ||
            instrument.freq_hz[c] < at.freq_begin_hz || instrument.freq_hz[c] > at.freq_end_hz)
          continue;
        const Complex* response = instrument.response + 2 * burst * instrument.burst_antennas;
        x += at.flux_jy * response[2 * place.p + a] * cuda::conj(response[2 * place.q + b]);
      }
      if (instrument.noise_jy > 0) {
        const auto draw = normal(instrument.seed, Stream::noise, static_cast<uint32_t>(4 * c + element),
                                 static_cast<uint32_t>(place.p), static_cast<uint32_t>(place.q),
                                 static_cast<uint32_t>(place.time_number));
        x += instrument.noise_jy * Complex(draw.real(), draw.imag());
      }
      vis[i * instrument.correlations + k] = cuda::Visibility::of(x);
    }
  }

 private:
  FF_HD void coherency(int64_t i, cuda::Complex* v) const {
    using cuda::Complex;
    const int64_t plane = rows * channels;
    const Complex one = model[i].wide(), j(0, 1);
    Complex q, u, w;
    if (stokes == 4) {
      q = model[plane + i].wide();
      u = model[2 * plane + i].wide();
      w = model[3 * plane + i].wide();
    }
    const Complex &parallel = instrument.circular ? w : q, &real = instrument.circular ? q : u,
                  &turned = instrument.circular ? u : w;
    v[0] = one + parallel;
    v[1] = real + j * turned;
    v[2] = real - j * turned;
    v[3] = one - parallel;
  }
  /// J_p V J_q^H
  FF_HD static void see_through(const cuda::Complex* p, const cuda::Complex* q, cuda::Complex* v) {
    cuda::Complex left[4];
    for (int i = 0; i < 2; ++i)
      for (int k = 0; k < 2; ++k) left[2 * i + k] = p[2 * i] * v[k] + p[2 * i + 1] * v[2 + k];
    for (int i = 0; i < 2; ++i)
      for (int k = 0; k < 2; ++k)
        v[2 * i + k] = left[2 * i] * cuda::conj(q[2 * k]) + left[2 * i + 1] * cuda::conj(q[2 * k + 1]);
  }
};

/// corrupt_cpu in device memory, on the stream. @param keys on the host
void corrupt_cuda(cuda::Stream stream, const std::shared_ptr<const Instrument>& instrument,
                  const RowKeys& keys, const cuda::Visibility* model, int64_t rows, int64_t channels,
                  int64_t stokes, cuda::Visibility* vis);

}  // namespace fringeflow::corrupt
