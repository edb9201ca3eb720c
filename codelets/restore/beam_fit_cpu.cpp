// SPDX-License-Identifier: GPL-3.0-or-later
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "codelets/restore/restore.hpp"
#include "io/constants.hpp"

namespace fringeflow::restore {
namespace {

constexpr double kBoxBeams = 10;    ///< width of the fitted box in beams: the main lobe and its surroundings
const double kLn2 = std::log(2.0);  ///< exp(-4 ln 2 r^2 / FWHM^2) is a Gaussian of that width

/// Sum of squared differences in the box, with normal equations if wanted.
struct Normal {
  double cost = 0;
  Eigen::Matrix3d matrix = Eigen::Matrix3d::Zero();
  Eigen::Vector3d right = Eigen::Vector3d::Zero();
};

/// The fitted pixels: [-before, after) around the centre in both directions.
struct Box {
  int64_t before, after;
};

Normal normal(View<const float, 2> psf, const Box& box, const Eigen::Vector3d& p) {
  Normal sum;
  const int64_t ny = psf.extent(0), nx = psf.extent(1), cy = ny / 2, cx = nx / 2;
  for (int64_t y = std::max<int64_t>(0, cy - box.before); y < std::min(ny, cy + box.after); ++y)
    for (int64_t x = std::max<int64_t>(0, cx - box.before); x < std::min(nx, cx + box.after); ++x) {
      const double value = psf(y, x);
      if (!std::isfinite(value)) continue;
      const auto dx = static_cast<double>(x - cx), dy = static_cast<double>(y - cy);
      const Eigen::Vector3d basis(dx * dx, dx * dy, dy * dy);
      const double model = std::exp(-p.dot(basis)), difference = value - model;
      const Eigen::Vector3d slope = -model * basis;
      sum.cost += difference * difference;
      sum.matrix.noalias() += slope * slope.transpose();
      sum.right.noalias() += slope * difference;
    }
  return sum;
}

bool positive(const Eigen::Vector3d& p) { return p[0] > 0 && p[2] > 0 && 4 * p[0] * p[2] > p[1] * p[1]; }

/// Levenberg-Marquardt; a start that is positive definite stays so.
std::optional<Eigen::Vector3d> fit_box(View<const float, 2> psf, const Box& box, Eigen::Vector3d p,
                                       bool circular) {
  double damping = 1e-3;
  // With a circular beam (a, 0, a) the step is the one of the sum of both columns.
  Eigen::Matrix<double, 3, Eigen::Dynamic> basis = Eigen::Matrix3d::Identity();
  if (circular) basis = Eigen::Vector3d(1, 0, 1);
  Normal current = normal(psf, box, p);
  for (int iteration = 0; iteration < 200; ++iteration) {
    Eigen::MatrixXd matrix = basis.transpose() * current.matrix * basis;
    const Eigen::VectorXd right = basis.transpose() * current.right;
    for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
      if (!(matrix(i, i) > 0)) return std::nullopt;
      matrix(i, i) *= 1 + damping;
    }
    const Eigen::Vector3d step = basis * matrix.ldlt().solve(right);
    const Eigen::Vector3d next = p + step;
    const bool small = step.norm() < 1e-9 * p.norm();
    if (next.allFinite() && positive(next)) {
      const Normal trial = normal(psf, box, next);
      if (trial.cost <= current.cost) {
        p = next;
        current = trial;
        damping = std::max(1e-12, damping * 0.1);
        if (small) break;
        continue;
      }
    }
    damping *= 10;
    if (small || damping > 1e12) break;
  }
  return p;
}

/// Width at half maximum of the lobe around the centre, from the number of connected pixels above one half.
double half_maximum_width(View<const float, 2> psf) {
  const int64_t ny = psf.extent(0), nx = psf.extent(1), cy = ny / 2, cx = nx / 2;
  int64_t above = 0;
  for (int64_t y = cy; y < ny && psf(y, cx) > 0.5f; ++y) {
    for (int64_t x = cx; x < nx && psf(y, x) > 0.5f; ++x) ++above;
    for (int64_t x = cx - 1; x >= 0 && psf(y, x) > 0.5f; --x) ++above;
  }
  for (int64_t y = cy - 1; y >= 0 && psf(y, cx) > 0.5f; --y) {
    for (int64_t x = cx; x < nx && psf(y, x) > 0.5f; ++x) ++above;
    for (int64_t x = cx - 1; x >= 0 && psf(y, x) > 0.5f; --x) ++above;
  }
  return std::max(1.0, 2 * std::sqrt(static_cast<double>(above) / kPi));
}

}  // namespace

Quadratic quadratic(const Beam& beam) {
  const double major = 4 * kLn2 / (beam.major_pixels * beam.major_pixels);
  const double minor = 4 * kLn2 / (beam.minor_pixels * beam.minor_pixels);
  // Unit vector of the major axis in pixels: north is +y, east is -x.
  const double ux = -std::sin(beam.angle_rad), uy = std::cos(beam.angle_rad);
  return {major * ux * ux + minor * uy * uy, 2 * (major - minor) * ux * uy,
          major * uy * uy + minor * ux * ux};
}

std::optional<Beam> beam_of(const Quadratic& form) {
  const double mean = 0.5 * (form.a + form.c), spread = std::hypot(0.5 * (form.a - form.c), 0.5 * form.b);
  if (!(mean - spread > 0) || !std::isfinite(mean)) return std::nullopt;
  Beam beam{std::sqrt(4 * kLn2 / (mean - spread)), std::sqrt(4 * kLn2 / (mean + spread)), 0};
  if (spread > 1e-12 * mean) {
    // With the major axis at t from +x to +y: c - a = 2 spread cos 2t, b = -2 spread sin 2t.
    const double from_x = 0.5 * std::atan2(-form.b, form.c - form.a);
    double angle = std::atan2(-std::cos(from_x), std::sin(from_x));
    if (angle < 0) angle += kPi;
    if (angle >= kPi) angle -= kPi;
    beam.angle_rad = angle;
  }
  return beam;
}

std::optional<Beam> fit_beam(View<const float, 2> psf, double theoretical_pixels, bool circular, FitBox box) {
  const int64_t ny = psf.extent(0), nx = psf.extent(1);
  if (ny < 4 || nx < 4 || !(psf(ny / 2, nx / 2) > 0.1f)) return std::nullopt;
  double start = theoretical_pixels > 0 ? theoretical_pixels : half_maximum_width(psf);
  start = std::clamp(start, 0.5, 0.5 * static_cast<double>(std::max(ny, nx)));
  double width = start;
  std::optional<Beam> beam;
  int64_t last = 0;
  for (int round = 0; round < 10; ++round) {
    const int64_t half = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(0.5 * kBoxBeams * width)), 5,
                                             std::max(ny, nx) / 2);
    if (half == last) break;
    last = half;
    const Quadratic from = quadratic(beam ? *beam : Beam{start, start, 0});
    const auto fitted =
        fit_box(psf, {box == FitBox::whole ? half : 0, half}, {from.a, from.b, from.c}, circular);
    if (!fitted) break;
    const auto found = beam_of({(*fitted)[0], (*fitted)[1], (*fitted)[2]});
    if (!found || found->major_pixels > 2 * static_cast<double>(std::max(ny, nx))) break;
    beam = found;
    width = std::max(width, beam->major_pixels);
  }
  // Where one quadrant does not hold a Gaussian (very elongated or undersampled lobes) all four may.
  if (!beam && box == FitBox::quadrant) return fit_beam(psf, theoretical_pixels, circular, FitBox::whole);
  return beam;
}

}  // namespace fringeflow::restore
