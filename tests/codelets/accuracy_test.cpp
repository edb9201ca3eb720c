// SPDX-License-Identifier: GPL-3.0-or-later
// The contract of the gridder: images and predictions against direct Fourier sums in double precision.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/codelets/gridder_pipeline.hpp"

namespace fringeflow::gridder::test {
namespace {

struct Field {
  const char* name;
  int64_t nx, ny;
  double width_rad;  ///< of the x axis
  double w_lambda;
  int facets;
  bool divide_by_n = false;
  int64_t rows = 60, channels = 5;  ///< many channels: they are compressed
  double max_uv_share = 0.98;       ///< small: facets are computed on larger pixels
  int64_t short_rows = 0;           ///< many: short baselines have facets of their own
  PlanOptions options(double accuracy) const {
    return {.accuracy = accuracy, .facets_per_side = facets, .divide_by_n = divide_by_n, .divide_above_s = 0};
  }
};

void PrintTo(const Field& f, std::ostream* out) { *out << f.name; }

using Complex = std::complex<double>;
using TestData = Data<Complex>;

TestData make_data(const Field& f) {
  return {{f.nx, f.ny, f.width_rad / static_cast<double>(f.nx)},
          {.rows = f.rows,
           .channels = f.channels,
           .max_uv_share = f.max_uv_share,
           .w_lambda = f.w_lambda,
           .seed = static_cast<unsigned>(f.nx + f.facets),
           .short_rows = f.short_rows}};
}

bool on_grid_at(const TestData& data, int64_t row, int64_t channel) {
  const double* uvw = &data.uvw_m[static_cast<size_t>(3 * row)];
  return on_grid(uvw[0], uvw[1], data.freq_hz[static_cast<size_t>(channel)], data.max_uv_lambda());
}

double direct_pixel(const TestData& data, int64_t x, int64_t y, bool divide_by_n) {
  const auto [l, m] = pixel_lm(data.image, x, y);
  double sum = 0;
  for (int64_t r = 0; r < data.rows; ++r) {
    const double turns = turns_per_hz(&data.uvw_m[static_cast<size_t>(3 * r)], l, m);
    for (int64_t c = 0; c < data.channels; ++c) {
      if (!on_grid_at(data, r, c)) continue;
      const auto i = static_cast<size_t>(r * data.channels + c);
      sum += static_cast<double>(data.weight[i]) *
             (data.vis[i] * turn(-turns * data.freq_hz[static_cast<size_t>(c)])).real();
    }
  }
  return divide_by_n ? sum / std::sqrt(1 - l * l - m * m) : sum;
}

struct Errors {
  double all, sample;  ///< relative L2 over all pixels; over 76 random pixels and the corners
};

std::vector<double> direct_image(const TestData& data, bool divide_by_n) {
  std::vector<double> out;
  for (int64_t y = 0; y < data.image.ny; ++y)
    for (int64_t x = 0; x < data.image.nx; ++x) out.push_back(direct_pixel(data, x, y, divide_by_n));
  return out;
}

Errors image_errors(const TestData& data, const std::vector<double>& image,
                    const std::vector<double>& direct) {
  double difference = 0, norm = 0, sample_difference = 0, sample_norm = 0;
  std::mt19937 generator(7);
  const auto share = 76.0 / static_cast<double>(data.image.nx * data.image.ny);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (int64_t y = 0; y < data.image.ny; ++y)
    for (int64_t x = 0; x < data.image.nx; ++x) {
      const auto at = static_cast<size_t>(y * data.image.nx + x);
      const double wanted = direct[at], got = image[at];
      const double d2 = (got - wanted) * (got - wanted);
      difference += d2;
      norm += wanted * wanted;
      const bool corner = (x == 0 || x == data.image.nx - 1) && (y == 0 || y == data.image.ny - 1);
      if (corner || uniform(generator) < share) {
        sample_difference += d2;
        sample_norm += wanted * wanted;
      }
    }
  return {std::sqrt(difference / norm), std::sqrt(sample_difference / sample_norm)};
}

bool divided(const PlanSummary& summary) { return summary.text.find("baselines below") != std::string::npos; }

class Accuracy : public testing::TestWithParam<Field> {
 protected:
  // Prints the table of errors when asked to.
  static void report(const Field& f, const char* what, double accuracy, const Errors& e,
                     const PlanSummary& summary) {
    if (std::getenv("FRINGEFLOW_ACCURACY_TABLE"))
      std::printf(
          "%-18s %-7s %.0e: all %.2e sample %.2e | support %2d sigma %.2f expected %.1e planes %lld %s\n",
          f.name, what, accuracy, e.all, e.sample, summary.kernel.support, summary.kernel.sigma,
          summary.kernel.error, static_cast<long long>(summary.planes),
          summary.double_precision ? "double" : "float");
  }
};

TEST_P(Accuracy, DirtyImageMatchesTheDirectSum) {
  const Field& f = GetParam();
  const TestData data = make_data(f);
  const auto direct = direct_image(data, f.divide_by_n);
  for (double accuracy = 1e-2; accuracy > 0.5e-12; accuracy /= std::sqrt(10)) {
    PlanSummary summary;
    const auto image = dirty_image(data, f.options(accuracy), summary);
    EXPECT_EQ(divided(summary), f.short_rows > 0) << summary.text;
    const Errors errors = image_errors(data, image, direct);
    report(f, "dirty", accuracy, errors, summary);
    EXPECT_LE(errors.all, accuracy) << summary.text;
    // Images of short baselines have few waves: eighty pixels say little.
    if (f.short_rows == 0) {
      EXPECT_LE(errors.sample, accuracy) << summary.text;
    }
  }
}

TEST_P(Accuracy, PredictionMatchesTheDirectSum) {
  const Field& f = GetParam();
  const TestData data = make_data(f);
  std::vector<double> image(static_cast<size_t>(f.nx * f.ny));
  std::mt19937 generator(11);
  std::vector<std::pair<int64_t, int64_t>> sources = {
      {0, 0}, {f.nx - 1, 0}, {0, f.ny - 1}, {f.nx - 1, f.ny - 1}, {f.nx / 2, f.ny / 2}};
  while (sources.size() < 80) {
    const auto x = static_cast<int64_t>(generator() % static_cast<unsigned>(f.nx)),
               y = static_cast<int64_t>(generator() % static_cast<unsigned>(f.ny));
    sources.emplace_back(x, y);
  }
  for (const auto& [x, y] : sources)
    image[static_cast<size_t>(y * f.nx + x)] += std::uniform_real_distribution<double>(-1, 1)(generator);
  std::vector<Complex> wanted(data.vis.size());
  for (int64_t y = 0; y < f.ny; ++y)
    for (int64_t x = 0; x < f.nx; ++x) {
      const auto [l, m] = pixel_lm(data.image, x, y);
      double flux = image[static_cast<size_t>(y * f.nx + x)];
      if (flux == 0) continue;
      if (f.divide_by_n) flux /= std::sqrt(1 - l * l - m * m);
      for (int64_t r = 0; r < data.rows; ++r)
        for (int64_t c = 0; c < data.channels; ++c)
          if (on_grid_at(data, r, c))
            wanted[static_cast<size_t>(r * data.channels + c)] +=
                flux * turn(turns_per_hz(&data.uvw_m[static_cast<size_t>(3 * r)], l, m) *
                            data.freq_hz[static_cast<size_t>(c)]);
    }
  for (double accuracy = 1e-2; accuracy > 0.5e-12; accuracy /= std::sqrt(10)) {
    PlanSummary summary;
    const auto got = predict(data, image, f.options(accuracy), summary);
    double difference = 0, norm = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      difference += std::norm(got[i] - wanted[i]);
      norm += std::norm(wanted[i]);
    }
    const double error = std::sqrt(difference / norm);
    report(f, "predict", accuracy, {error, error}, summary);
    EXPECT_LE(error, accuracy) << summary.text;
  }
}

TEST_P(Accuracy, PredictIsTheAdjointOfDirty) {
  const Field& f = GetParam();
  const TestData data = make_data(f);
  for (const double accuracy : {1e-4, 1e-10}) {
    PlanSummary summary;
    const PlanOptions options = f.options(accuracy);
    const auto dirty = dirty_image(data, options, summary);
    std::vector<double> model(dirty.size());
    std::mt19937 generator(13);
    for (double& pixel : model) pixel = std::uniform_real_distribution<double>(-1, 1)(generator);
    const auto predicted = predict(data, model, options, summary);
    double on_image = 0, on_visibilities = 0, scale = 0;
    for (size_t i = 0; i < model.size(); ++i)
      on_image += model[i] * dirty[i], scale += std::abs(model[i] * dirty[i]);
    for (size_t i = 0; i < predicted.size(); ++i)
      on_visibilities += static_cast<double>(data.weight[i]) * (std::conj(predicted[i]) * data.vis[i]).real();
    EXPECT_LE(std::abs(on_image - on_visibilities),
              (summary.double_precision ? 2e-13 : 3e-5) * std::max(std::abs(on_image), 0.01 * scale));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Fields, Accuracy,
    testing::Values(Field{"tiny_field", 128, 128, 1.7e-5, 1e5, 1},
                    Field{"one_degree", 128, 96, 0.0175, 3e3, 1}, Field{"no_w", 128, 128, 0.0175, 0, 1},
                    Field{"no_w_facets", 128, 128, 0.0175, 0, 2}, Field{"ten_degrees", 96, 128, 0.17, 300, 1},
                    Field{"ten_degrees_facets", 128, 128, 0.17, 2000, 3},
                    Field{"wide", 96, 96, 0.9, 60, 1, true}, Field{"wide_facets", 128, 96, 0.9, 100, 2, true},
                    Field{"hemisphere", 96, 96, 1.4, 40, 1}, Field{"hemisphere_facets", 96, 96, 1.4, 60, 3},
                    Field{"narrow_image", 256, 16, 0.2, 500, 1}, Field{"minute_image", 16, 16, 0.01, 500, 1},
                    Field{"odd_facets", 250, 154, 0.1, 1000, 4},
                    Field{"oversampled", 160, 160, 0.02, 2000, 1, false, 60, 5, 0.3},
                    Field{"oversampled_facets", 160, 128, 0.1, 200, 2, false, 60, 5, 0.4},
                    Field{"channels", 64, 64, 0.02, 2e3, 1, false, 25, 67},
                    Field{"channels_of_many_slabs", 64, 64, 0.3, 1e3, 1, false, 25, 67},
                    Field{"channels_facets", 96, 64, 0.3, 1e3, 2, false, 15, 67, 0.4},
                    Field{"short_baselines", 160, 128, 0.6, 1e3, 0, false, 1500, 4, 0.98, 1480},
                    Field{"short_baselines_over_n", 128, 160, 0.6, 1e3, 0, true, 1500, 4, 0.98, 1480}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(AccuracyHorizon, PixelsBelowTheHorizonAreBlank) {
  const TestData data({64, 64, 2.0 / 64}, {.rows = 30, .channels = 3, .w_lambda = 10});
  for (const int facets : {1, 3}) {
    PlanSummary summary;
    const auto image = dirty_image(data, {.accuracy = 1e-6, .facets_per_side = facets}, summary);
    double difference = 0, norm = 0;
    for (int64_t y = 0; y < 64; ++y)
      for (int64_t x = 0; x < 64; ++x) {
        const auto [l, m] = pixel_lm(data.image, x, y);
        const double got = image[static_cast<size_t>(y * 64 + x)];
        ASSERT_EQ(std::isnan(got), l * l + m * m > 1) << x << " " << y;
        if (std::isnan(got)) continue;
        const double wanted = direct_pixel(data, x, y, false);
        difference += (got - wanted) * (got - wanted);
        norm += wanted * wanted;
      }
    EXPECT_LE(std::sqrt(difference / norm), 1e-6) << summary.text;
  }
}

}  // namespace
}  // namespace fringeflow::gridder::test
