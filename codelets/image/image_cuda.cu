// SPDX-License-Identifier: GPL-3.0-or-later
#include <vector>

#include "codelets/common/cuda_launch.hpp"
#include "codelets/image/image_cuda.hpp"

namespace fringeflow::image {

using cuda::Scratch;

void paste_cuda(cuda::Stream stream, View<const float, 2> pixels, int64_t y_begin, int64_t x_begin,
                View<float, 2> image, bool add) {
  const PastePixel paste(pixels, y_begin, x_begin, image, add);
  cuda::launch_elements(stream, paste.count(), paste, "assemble");
}

void combine_cuda(cuda::Stream stream, std::span<const float* const> host_images,
                  std::span<const int64_t> host_sum_index, const double* sums, float* out, int64_t pixels) {
  cuda::Worker& worker = cuda::Worker::of(stream);
  const auto channels = static_cast<int64_t>(host_images.size());
  const auto* images = worker.stage(Scratch::pointers, host_images.data(), channels);
  const auto* sum_index = worker.stage(Scratch::list, host_sum_index.data(), channels);
  cuda::launch_elements(stream, pixels,
                        CombinePixel{images, sum_index, sums, out, static_cast<int>(channels)}, "combine");
}

void blank_cuda(cuda::Stream stream, float* pixels, int64_t count) {
  cuda::launch_elements(stream, count, BlankPixel{pixels}, "fill");
}

void fill_cuda(cuda::Stream stream, const float* host_pixels, float* pixels, int64_t count) {
  cuda::check(cudaMemcpyAsync(pixels, host_pixels, static_cast<size_t>(count) * sizeof(float),
                              cudaMemcpyHostToDevice, stream),
              "fill");
  cuda::launch_elements(stream, count, FinitePixel{pixels}, "fill");
}

}  // namespace fringeflow::image
