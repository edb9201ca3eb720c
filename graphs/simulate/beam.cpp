// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/simulate/beam.hpp"

#include <cmath>

#include "io/constants.hpp"
#include "io/error.hpp"

namespace fringeflow::graphs {

Beam::Beam(const BeamModel& model, double reference_hz) : model_(model), reference_hz_(reference_hz) {
  if (model_.kind != BeamModel::Kind::image) return;
  image_ = io::read_fits_image<float>(model_.file);
  const auto& header = image_->header;
  if (!header.grid_problem.empty()) throw UserError(model_.file + ": " + header.grid_problem);
  if (image_->planes != 1) throw UserError(model_.file + ": a beam has one plane");
  if (header.frequency_hz > 0) reference_hz_ = header.frequency_hz;
}

double Beam::power(double l, double m, double freq_hz) const {
  const double scale = freq_hz / reference_hz_, r = std::hypot(l, m) * scale;
  switch (model_.kind) {
    case BeamModel::Kind::gaussian:
      return std::exp(-4 * std::log(2.0) * r * r / (model_.fwhm_rad * model_.fwhm_rad));
    case BeamModel::Kind::cosine: {
      const double x = 2 * std::acos(std::pow(0.5, 1. / 6)) * r / model_.fwhm_rad;
      return x < kPi / 2 ? std::pow(std::cos(x), 6) : 0;
    }
    case BeamModel::Kind::image: {
      const auto& grid = image_->header.grid;
      const double x = grid.x0 - l * scale / grid.cell_rad, y = grid.y0 + m * scale / grid.cell_rad;
      const auto i = static_cast<int64_t>(std::floor(x)), j = static_cast<int64_t>(std::floor(y));
      if (!(i >= 0 && j >= 0 && i + 1 < grid.nx && j + 1 < grid.ny)) return 0;
      const auto view = image_->view();
      const double fx = x - static_cast<double>(i), fy = y - static_cast<double>(j);
      const auto at = [&](int64_t b, int64_t a) {
        const auto value = static_cast<double>(view(0, j + b, i + a));
        return std::isfinite(value) ? value : 0;
      };
      return (1 - fy) * ((1 - fx) * at(0, 0) + fx * at(0, 1)) + fy * ((1 - fx) * at(1, 0) + fx * at(1, 1));
    }
    default:
      return 1;
  }
}

void Beam::apply(std::vector<SourceGroup>& groups, std::span<const double> freq_hz, int64_t stokes) const {
  const auto channels = freq_hz.size(), planes = static_cast<size_t>(stokes);
  for (auto& group : groups)
    for (size_t s = 0; s < group.lmn.size() / 3; ++s)
      for (size_t c = 0; c < channels; ++c) {
        const double factor = power(group.lmn[3 * s], group.lmn[3 * s + 1], freq_hz[c]);
        for (size_t p = 0; p < planes; ++p) group.flux_jy[(s * channels + c) * planes + p] *= factor;
      }
}

}  // namespace fringeflow::graphs
