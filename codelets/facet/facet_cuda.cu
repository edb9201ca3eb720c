// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"

#include "codelets/facet/facet_cuda.hpp"

namespace fringeflow::facet {
namespace {

/// @param count out: visibilities
SeenThrough seen_through(cuda::Stream stream, const ChunkGains& gains, int64_t& count) {
  auto& worker = cuda::Worker::of(stream);
  const auto rows = static_cast<int64_t>(gains.rows->size()),
             channels = static_cast<int64_t>(gains.channels->size());
  count = rows * channels;
  if (count == 0) return {};
  // Rows are a chunk's own: they are not kept.
  return {cuda::device_gains(worker, gains.gains),
          worker.stage(cuda::Scratch::pointers, gains.rows->data(), rows), worker.constants(gains.channels),
          channels};
}

}  // namespace

void divide_cuda(cuda::Stream stream, const ChunkGains& gains, const cuda::Visibility* in,
                 cuda::Visibility* out) {
  int64_t count = 0;
  const SeenThrough seen = seen_through(stream, gains, count);
  cuda::launch_elements(stream, count, DivideSample{seen, in, out}, "facet_divide");
}

void multiply_cuda(cuda::Stream stream, const ChunkGains& gains, const cuda::Visibility* in, bool add,
                   cuda::Visibility* out) {
  int64_t count = 0;
  const SeenThrough seen = seen_through(stream, gains, count);
  cuda::launch_elements(stream, count, MultiplySample{seen, in, add, out}, "facet_multiply");
}

void stitch_cuda(cuda::Stream stream, const StitchArgs& args, std::span<const float* const> strips,
                 float* image) {
  const int32_t* map = cuda::Worker::of(stream).constants(args.map);
  if (args.first) cuda::launch_elements(stream, args.nx * args.ny, StartPixel{map, image}, "stitch: start");
  for (size_t i = 0; i < args.strips.size(); ++i)
    cuda::launch_elements(
        stream, args.strips[i].ny * args.strips[i].nx,
        StitchPixel{args.strips[i], strips[i], map, args.direction, {image, {args.ny, args.nx}}}, "stitch");
}

void cut_cuda(cuda::Stream stream, const CutArgs& args, const float* image, float* out) {
  const int32_t* map = cuda::Worker::of(stream).constants(args.map);
  cuda::launch_elements(stream, static_cast<int64_t>(args.map->size()),
                        CutPixel{map, args.direction, image, out}, "cut");
}

}  // namespace fringeflow::facet
