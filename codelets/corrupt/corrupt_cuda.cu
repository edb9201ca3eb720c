// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"
#include "codelets/corrupt/corrupt_cuda.hpp"

namespace fringeflow::corrupt {

void corrupt_cuda(cuda::Stream stream, const std::shared_ptr<const Instrument>& instrument,
                  const RowKeys& keys, const cuda::Visibility* model, int64_t rows, int64_t channels,
                  int64_t stokes, cuda::Visibility* vis) {
  auto& worker = cuda::Worker::of(stream);
  InstrumentTables tables = instrument_numbers(*instrument);
  if (instrument->gains) {
    tables.gains = cuda::device_gains(worker, instrument->gains);
    tables.gain_frequency = cuda::kept<int32_t>(worker, instrument, instrument->gain_frequency);
  }
  if (tables.bursts > 0) {
    const std::shared_ptr<const void> bursts(instrument, &instrument->bursts),
        responses(instrument, instrument->bursts.data());
    tables.bounds = worker.made(bursts, [&] { return burst_bounds(instrument->bursts); });
    tables.response =
        cuda::as_complex(worker.made(responses, [&] { return burst_responses(instrument->bursts); }));
    tables.freq_hz = cuda::kept<double>(worker, instrument, instrument->freq_hz);
  }
  const auto places = row_places(*instrument, keys, rows);
  const CorruptSample sample{
      tables, worker.stage(cuda::Scratch::pointers, places.data(), rows), model, rows, channels, stokes, vis};
  cuda::launch_elements(stream, sample.count(), sample, "corrupt");
}

}  // namespace fringeflow::corrupt
