// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/cost.hpp"

#include <algorithm>
#include <cmath>

#include "io/constants.hpp"

namespace fringeflow::gridder {
namespace {

/// Slabs that a visibility's kernel touches, the mean over the planes where those of a part may start.
double slabs_touched(const Facet& f, const UvExtent& extent) {
  const auto plane = [&](double w) { return std::clamp((w - f.w0) / f.dw - 0.5 * f.support, 0.0, 1e6); };
  const auto first = static_cast<int>(plane(extent.min_w_lambda)),
             last = std::min(static_cast<int>(plane(extent.max_w_lambda)), first + 4 * kSlabPlanes);
  double slabs = 0;
  for (int start = first; start <= last; ++start)
    slabs += (start + f.support - 1) / kSlabPlanes - start / kSlabPlanes + 1;
  return slabs / (last - first + 1);
}

/// Cells of all planes among which the visibilities are spread.
double cells_among(const Facet& f, const UvExtent& extent) {
  const double u = 2 * extent.max_u_lambda * f.cell_x_rad * static_cast<double>(f.nu),
               v = 2 * extent.max_v_lambda * f.cell_y_rad * static_cast<double>(f.nv),
               slabs = 1 + (extent.max_w_lambda - extent.min_w_lambda) / (f.dw * kSlabPlanes);
  return std::max<double>(u, kTile) * std::max<double>(v, kTile) * slabs;
}

}  // namespace

double gridded_share(double field_x_rad, double field_y_rad, const UvExtent& extent,
                     const ChannelCompression* compression) {
  if (!compression || extent.rows < 1 || extent.sum_u_lambda + extent.sum_v_lambda <= 0) return 1;
  const auto rows = static_cast<double>(extent.rows);
  const double kappa = kPi * extent.band_share / 2 *
                       (extent.sum_u_lambda / rows * field_x_rad + extent.sum_v_lambda / rows * field_y_rad);
  const auto channels = static_cast<int>(extent.visibilities / extent.rows);
  const auto choice = compression->choose(channels, kappa);
  return choice.nodes > 0 ? static_cast<double>(choice.parts * choice.nodes) / channels : 1.0;
}

double least_cost(const UvExtent& extent) {
  return 370e-9 * static_cast<double>(extent.rows) + 8e-9 * static_cast<double>(extent.visibilities);
}

double visibilities_cost(const Facet& f, std::span<const Amount> amounts, bool double_precision) {
  const double w2 = static_cast<double>(f.support * f.support);
  double cost = 0;
  for (const Amount& amount : amounts) {
    const double slabs = slabs_touched(f, amount.extent);
    const auto visibilities = static_cast<double>(amount.extent.visibilities);
    // Channels next to each other mostly share their cells, which stay in registers; nodes that stand for channels do not. Cells that
    // many visibilities share stay in the nearest cache.
    const double density = visibilities / cells_among(f, amount.extent);
    const double cell = amount.gridded < 1 ? 0.9e-9 : 0.2e-9 + 0.5e-9 / (1 + 4 * density);
    cost += (170e-9 + slabs * 200e-9) * static_cast<double>(amount.extent.rows) +
            slabs * (8e-9 + cell * w2 * amount.gridded) * (double_precision ? 2.5 : 1.0) * visibilities;
  }
  return cost;
}

double planes_cost(const Facet& f, bool double_precision) {
  const double nu = static_cast<double>(f.nu), nv = static_cast<double>(f.nv);
  // Columns of the grid without tiles are not transformed; the image is whole. The last slab is transformed as if it were full.
  const double share = std::min(1.0, static_cast<double>(f.tiles_u * kTile) / nu);
  return f.slabs() * kSlabPlanes * (double_precision ? 2.0 : 1.0) * (2e-11 + 5.2e-11 * share) * nu * nv *
         (std::log2(nu) + std::log2(nv));
}

double pixels_cost(const Candidate& c, bool double_precision) {
  constexpr double kCorrection = 7e-9, kTap = 6e-11, kPixel = 1.5e-9;
  const auto pixels = static_cast<double>(c.image_nx * c.image_ny);
  double cost = kCorrection * static_cast<double>(c.facet.nx * c.facet.ny) + kPixel * pixels;
  if (c.resampled())
    cost += pixels * (double_precision ? 2 : 1) * (kPixel + kTap * (c.taps_x + c.taps_y / c.ratio_x));
  return cost;
}

double tasks_cost(const Facet& f, int strips) {
  constexpr double kTask = 40e-6;
  return kTask * strips * (2 + 3 * f.slabs());
}

int strips_worth(double gridding_s, double planes_s, int most) {
  constexpr double kTaskSeconds = 4e-3;
  return static_cast<int>(
      std::clamp(std::max(planes_s / 2, gridding_s) / kTaskSeconds, 1.0, static_cast<double>(most)));
}

}  // namespace fringeflow::gridder
