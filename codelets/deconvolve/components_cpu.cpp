// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <tuple>

#include "codelets/deconvolve/internal.hpp"

namespace fringeflow::deconvolve {

void apply_components(const MinorOptions& options, std::span<const ComponentList> lists,
                      std::span<const View<float, 2>> model, View<uint16_t, 2> scale_mask, int64_t y_begin,
                      int64_t y_end) {
  std::vector<std::vector<float>> kernels(static_cast<size_t>(std::max(1, options.scales)));
  const int64_t ny = model[0].extent(0), nx = model[0].extent(1);
  y_end = std::min(y_end, ny);
  for (const ComponentList& list : lists)
    for (int64_t i = 0; i < list.header().count; ++i) {
      const int32_t* position = list.position(i);
      const float* flux = list.flux(i);
      const int64_t y = position[0], x = position[1];
      const int scale = position[2];
      const int64_t r = kernel_radius(options, scale), n = 2 * r + 1;
      if (y + r < y_begin || y - r >= y_end) continue;
      if (scale_mask.data() && y >= y_begin && y < y_end)
        scale_mask(y, x) = static_cast<uint16_t>(scale_mask(y, x) | 1u << scale);
      std::vector<float>& kernel = kernels[static_cast<size_t>(scale)];
      if (kernel.empty()) kernel = scale_kernel(options, scale);
      for (size_t c = 0; c < model.size(); ++c) {
        if (flux[c] == 0) continue;
        for (int64_t j = std::max(y_begin, y - r); j < std::min(y_end, y + r + 1); ++j) {
          const float* from = kernel.data() + (j - y + r) * n - (x - r);
          float* to = &model[c](j, 0);
          for (int64_t k = std::max<int64_t>(0, x - r); k < std::min(nx, x + r + 1); ++k)
            to[k] += flux[c] * from[k];
        }
      }
    }
}

void append_components(std::vector<Component>& components, ComponentList list) {
  for (int64_t i = 0; i < list.header().count; ++i) {
    const int32_t* position = list.position(i);
    components.push_back(
        {position[0], position[1], position[2], {list.flux(i), list.flux(i) + list.channels()}});
  }
}

std::vector<Component> merge_components(std::vector<Component> components) {
  const auto key = [](const Component& c) { return std::tuple(c.scale, c.y, c.x); };
  // Stable, so that fluxes of one place are added in the order in which they were found.
  std::stable_sort(components.begin(), components.end(),
                   [&](const auto& a, const auto& b) { return key(a) < key(b); });
  std::vector<Component> merged;
  for (Component& component : components) {
    if (merged.empty() || key(merged.back()) != key(component)) {
      merged.push_back(std::move(component));
      continue;
    }
    for (size_t c = 0; c < component.flux.size(); ++c) merged.back().flux[c] += component.flux[c];
  }
  return merged;
}

void mask_from_components(ScaleMask scale_mask, View<uint8_t, 2> mask) {
  for (int64_t i = 0; i < mask.size(); ++i) mask.data()[i] = mask.data()[i] || scale_mask.data()[i] ? 1 : 0;
}

}  // namespace fringeflow::deconvolve
