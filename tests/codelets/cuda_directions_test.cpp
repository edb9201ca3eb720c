// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Device code of gains with directions, run on the CPU, against the CPU's kernels and Eigen; and the launchers, where there is a device.
#include <gtest/gtest.h>

#include "fringeflow_version.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cstring>
#include <random>

#include "codelets/calibrate/solve_directions_cuda.hpp"
#include "io/measurement_set_stokes.hpp"
#include "tests/codelets/calibrate_on_host.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/simulate/simulate_cuda.hpp"
#include "tests/codelets/cuda_device.hpp"
#endif

namespace fringeflow::calibrate {
namespace {

using Cdouble = std::complex<double>;
using Cfloat = std::complex<float>;
using test::Play;

TEST(DeviceCholesky, SolvesAsEigenDoes) {
  std::mt19937 random(4);
  std::normal_distribution<double> normal;
  for (const int64_t n : {1, 2, 31, 32, 33, 70, 129}) {
    Eigen::MatrixXd root(n, n);
    for (int64_t i = 0; i < n * n; ++i) root.data()[i] = normal(random);
    const Eigen::MatrixXd a = root * root.transpose() + 0.1 * Eigen::MatrixXd::Identity(n, n);
    const Eigen::VectorXd b = Eigen::VectorXd::LinSpaced(n, -1, 2), want = a.llt().solve(b);
    for (const bool backwards : {false, true}) {
      std::vector<double> matrix(static_cast<size_t>(n * n), NAN), diagonal(static_cast<size_t>(n)),
          x(static_cast<size_t>(n));
      for (int64_t r = 0; r < n; ++r)
        for (int64_t c = 0; c <= r; ++c) matrix[static_cast<size_t>(r * n + c)] = a(r, c);
      int32_t failed = 7;
      const Cholesky cholesky{n, matrix.data(), diagonal.data(), &failed};
      ASSERT_TRUE(cholesky.factor(cuda::Team{backwards}));
      std::vector<double> right(b.data(), b.data() + n);
      cholesky.solve(cuda::Team{backwards}, right.data(), x.data());
      EXPECT_LT((Eigen::Map<Eigen::VectorXd>(x.data(), n) - want).norm(), 1e-9 * want.norm()) << n;
    }
    std::vector<double> matrix(a.data(), a.data() + n * n), diagonal(static_cast<size_t>(n));
    matrix[static_cast<size_t>(n * n - 1)] = -1;
    int32_t failed = 7;
    EXPECT_FALSE((Cholesky{n, matrix.data(), diagonal.data(), &failed}.factor(cuda::Team())))
        << "not positive definite";
  }
}

enum class Trouble { none, dead, gaps, silent_direction, few };

/// Three times of all baselines, both ways round, seen through gains of directions.
struct Data {
  DirectionShape shape;
  std::vector<int> codes;
  int64_t rows = 0, stokes = 1;
  std::vector<int32_t> antennas;
  std::vector<double> uvw_m, freq_hz;
  std::shared_ptr<const DirectionGroups> groups;
  std::vector<Cfloat> planes, model,
      vis;  ///< [d][stokes][row][channel], [d][row][channel][correlation], [row][channel][correlation]
  std::vector<float> weight;

  Data(SolveKind kind, int64_t count, int64_t directions, int64_t correlations, unsigned seed,
       Trouble trouble = Trouble::none) {
    shape.gains.kind = kind;
    shape.gains.antennas = count;
    shape.gains.channels = 6;
    shape.gains.channels_per_solution = 4;
    shape.gains.correlations = correlations;
    shape.directions = directions;
    stokes = correlations == 4 ? 4 : 1;
    codes = correlations == 1   ? std::vector<int>{9}
            : correlations == 2 ? std::vector<int>{5, 8}
                                : std::vector<int>{9, 10, 11, 12};
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (int64_t c = 0; c < shape.gains.channels; ++c) freq_hz.push_back(1e9 + 1e7 * static_cast<double>(c));
    std::vector<double> place;
    for (int64_t a = 0; a < 3 * count; ++a) place.push_back(2e3 * uniform(random));
    for (int t = 0; t < 3; ++t)
      for (int32_t p = 0; p < count; ++p)
        for (int32_t q = p; q < count; ++q) {
          const bool swap = (p + q + t) % 5 == 2;
          antennas.insert(antennas.end(), {swap ? q : p, swap ? p : q});
          for (size_t k = 0; k < 3; ++k)
            uvw_m.push_back((swap ? -1 : 1) * (place[3 * static_cast<size_t>(q) + k] -
                                               place[3 * static_cast<size_t>(p) + k]) +
                            40 * t * uniform(random));
        }
    rows = static_cast<int64_t>(antennas.size() / 2);
    DirectionGroups all;
    for (int64_t d = 0; d < directions; ++d) {
      std::vector<SourceGroup> list(1);
      const double l = 0.02 * uniform(random), m = 0.02 * uniform(random);
      list[0].lmn = {l, m, std::sqrt(1 - l * l - m * m) - 1};
      for (int64_t c = 0; c < shape.gains.channels; ++c)
        for (int64_t s = 0; s < stokes; ++s) {
          const double flux = s == 0 ? 1 + 2. / static_cast<double>(d + 1) : 0.05;
          list[0].flux_jy.push_back(trouble == Trouble::silent_direction && d == 1 ? 0 : flux);
        }
      all.push_back(std::make_shared<const std::vector<SourceGroup>>(std::move(list)));
    }
    groups = std::make_shared<const DirectionGroups>(std::move(all));
    const int64_t channels = shape.gains.channels, samples = rows * channels;
    planes.resize(static_cast<size_t>(directions * stokes * samples));
    model.resize(static_cast<size_t>(directions * samples * correlations));
    std::vector<Cdouble> gains;
    for (int64_t i = 0; i < count * directions * 2; ++i)
      gains.push_back(kind == SolveKind::diagonal
                          ? std::exp(Cdouble(0.1 * normal(random), 0.5 * normal(random)))
                          : std::polar(1., 0.5 * normal(random)));
    if (kind == SolveKind::scalar_phase)
      for (size_t i = 0; i < gains.size(); i += 2) gains[i + 1] = gains[i];
    if (trouble == Trouble::dead)
      for (size_t k = 0; k < static_cast<size_t>(2 * directions); ++k)
        gains[static_cast<size_t>(4 * directions) + k] *= 1e-5;
    vis.assign(static_cast<size_t>(samples * correlations), 0);
    for (int64_t d = 0; d < directions; ++d) {
      Cfloat* plane = planes.data() + d * stokes * samples;
      simulate_groups(*(*groups)[static_cast<size_t>(d)], {uvw_m.data(), {rows, 3}}, freq_hz,
                      {plane, {stokes, rows, channels}});
      Cfloat* out = model.data() + d * samples * correlations;
      io::correlations_of(stokes == 4 ? "IQUV" : "I", codes,
                          View<const Cfloat, 3>(plane, {stokes, rows, channels}),
                          View<Cfloat, 3>(out, {rows, channels, correlations}));
      for (int64_t i = 0; i < samples * correlations; ++i) {
        const int64_t row = i / correlations / channels, k = i % correlations,
                      hand = correlations == 1 ? 0 : k / (correlations - 1);
        const auto gain = [&](int64_t side) {
          return gains[static_cast<size_t>(
              (antennas[static_cast<size_t>(2 * row + side)] * directions + d) * 2 + hand)];
        };
        vis[static_cast<size_t>(i)] += Cfloat(gain(0) * std::conj(gain(1)) * Cdouble(out[i]));
      }
    }
    for (int64_t i = 0; i < samples * correlations; ++i) {
      vis[static_cast<size_t>(i)] += Cfloat(0.02 * Cdouble(normal(random), normal(random)));
      const int64_t row = i / correlations / channels;
      const int32_t p = antennas[static_cast<size_t>(2 * row)],
                    q = antennas[static_cast<size_t>(2 * row + 1)];
      bool gap = i % 17 == 0;
      if (trouble == Trouble::gaps) gap = gap || p == 1 || q == 1 || (p + q) % 4 == 1;
      if (trouble == Trouble::few) gap = gap || p > 1 || q > 1;
      weight.push_back(gap ? 0.f : 0.5f + static_cast<float>(i % 3));
    }
    vis[50] = Cfloat(NAN, 0);
  }
  std::array<int64_t, 3> extents() const { return {rows, shape.gains.channels, shape.gains.correlations}; }
};

/// Gains of a pass.
struct Solution {
  std::vector<Cdouble> gains;
  std::vector<uint8_t> valid;
  std::vector<Outcome> outcomes;
  explicit Solution(const DirectionShape& shape)
      : gains(static_cast<size_t>(shape.gain_size()), Cdouble(NAN, NAN)),
        valid(gains.size(), 7),
        outcomes(static_cast<size_t>(shape.gains.blocks() * shape.gains.fits())) {}
};

std::vector<double> sums_on_cpu(const Data& data, double freedom = 0, const Solution* before = nullptr) {
  std::vector<double> sums(static_cast<size_t>(data.shape.accumulator_size()));
  const auto [rows, channels, correlations] = data.extents();
  AccumulateDirectionsArguments a{
      data.shape,
      {data.vis.data(), data.extents()},
      {data.weight.data(), data.extents()},
      {data.model.data(), {data.shape.directions, rows, channels, correlations}},
      {data.antennas.data(), {rows, 2}},
      {sums.data(), {data.shape.gains.blocks(), data.shape.gains.baselines(), data.shape.sums()}}};
  if (before != nullptr) {
    a.freedom = freedom;
    a.gains = {before->gains.data(), data.shape.gain_extents()};
    a.valid = {before->valid.data(), data.shape.gain_extents()};
    a.outcomes = {before->outcomes.data(), {data.shape.gains.blocks(), data.shape.gains.fits()}};
  }
  accumulate_directions_cpu(a);
  return sums;
}

DirectionRows device_rows(const Data& data, double freedom, const Solution* before) {
  DirectionRows in = direction_rows(data.shape);
  in.rows = data.rows;
  in.stokes = data.stokes;
  in.vis = cuda::as_visibility(data.vis.data());
  in.weight = data.weight.data();
  in.antennas = data.antennas.data();
  in.models = cuda::as_visibility(data.planes.data());
  in.mixes = cuda::correlation_mixes(data.stokes, data.codes);
  if (before != nullptr) {
    in.freedom = freedom;
    in.gains = cuda::as_complex(before->gains.data());
    in.valid = before->valid.data();
    in.outcomes = before->outcomes.data();
  }
  return in;
}

/// In two calls when not `first`: the first half of the rows, then the others.
std::vector<double> sums_by_functors(const Data& data, double freedom, const Solution* before) {
  std::vector<double> sums(static_cast<size_t>(data.shape.accumulator_size()), NAN);
  DirectionRows in = device_rows(data, freedom, before);
  const test::SortedRows sorted(data.antennas, data.rows, data.shape.gains.antennas);
  in.keys = sorted.keys.data();
  in.order = sorted.order.data();
  std::vector<double> weights(static_cast<size_t>(data.rows * data.shape.gains.channels * in.hands), NAN);
  in.weights = weights.data();
  in.sums = sums.data();
  in.first = true;
  const DirectionWeight weight{in};
  for (int64_t i = weight.count() - 1; i >= 0; --i) weight(i);
  const AccumulateDirection accumulate{in};
  for (int64_t i = accumulate.count() - 1; i >= 0; --i) accumulate(i);
  const auto once = sums;
  in.first = false;
  const AccumulateDirection again{in};
  for (int64_t i = 0; i < again.count(); ++i) again(i);
  for (size_t i = 0; i < sums.size(); ++i)
    EXPECT_NEAR(sums[i], 2 * once[i], 1e-12 * (1 + std::abs(once[i]))) << "added a second time";
  return once;
}

Solution solve_on_cpu(const Data& data, const std::vector<double>& sums, const DirectionLimits& limits,
                      int64_t reference) {
  const Shape& shape = data.shape.gains;
  Solution out(data.shape);
  const std::vector<double> freq(static_cast<size_t>(shape.blocks()), 1e9);
  solve_directions_cpu({data.shape,
                        {sums.data(), {shape.blocks(), shape.baselines(), data.shape.sums()}},
                        freq,
                        {out.gains.data(), data.shape.gain_extents()},
                        {out.valid.data(), data.shape.gain_extents()},
                        {out.outcomes.data(), {shape.blocks(), shape.fits()}},
                        {},
                        limits,
                        reference,
                        {}});
  return out;
}

/// All intervals in one go.
std::vector<Solution> solve_by_team(const DirectionShape& shape, const std::vector<std::vector<double>>& sums,
                                    const DirectionLimits& limits, int64_t reference,
                                    Play play = Play::forwards) {
  std::vector<Solution> out;
  std::vector<DirectionInterval> intervals;
  for (size_t i = 0; i < sums.size(); ++i) out.emplace_back(shape);
  for (size_t i = 0; i < sums.size(); ++i)
    intervals.push_back(
        {sums[i].data(), cuda::as_complex(out[i].gains.data()), out[i].valid.data(), out[i].outcomes.data()});
  DirectionJob job = direction_job(shape, limits, reference);
  job.intervals = intervals.data();
  for (int64_t fit = 0; fit < static_cast<int64_t>(sums.size()) * job.blocks * job.fits; ++fit)
    test::play_fit(
        play, [&](cuda::Carver& fast, cuda::Carver& slow) { return DirectionFit::carve(job, fast, slow); },
        [&](const auto& space, const cuda::Team& team) { DirectionFit(job, fit, space).run(team); });
  return out;
}
Solution solve_by_team(const Data& data, const std::vector<double>& sums, const DirectionLimits& limits,
                       int64_t reference, Play play = Play::forwards) {
  return solve_by_team(data.shape, {sums}, limits, reference, play)[0];
}

void same(const Solution& got, const Solution& want, double tolerance, int iterations = 2) {
  EXPECT_EQ(got.valid, want.valid);
  double worst = 0;
  for (size_t i = 0; i < got.gains.size(); ++i)
    worst = std::max(worst, std::abs(got.gains[i] - want.gains[i]) / (1 + std::abs(want.gains[i])));
  EXPECT_LT(worst, tolerance);
  for (size_t i = 0; i < got.outcomes.size(); ++i)
    test::expect_alike(got.outcomes[i], want.outcomes[i], iterations, 1e-8);
}

struct Case {
  SolveKind kind;
  int64_t antennas, directions, correlations;
  Trouble trouble = Trouble::none;
};
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto kind : {SolveKind::scalar_phase, SolveKind::phase, SolveKind::diagonal})
    for (const int64_t directions : {1, 2, 4})
      all.push_back({kind, 10, directions, directions == 2 ? 4 : directions == 1 ? 1 : 2});
  for (const auto trouble : {Trouble::dead, Trouble::gaps, Trouble::silent_direction, Trouble::few})
    for (const auto kind : {SolveKind::scalar_phase, SolveKind::diagonal})
      all.push_back({kind, 9, 3, 4, trouble});
  return all;
}

TEST(DeviceDirections, SumsAgreeWithTheCpu) {
  for (const auto& one : cases()) {
    const Data data(one.kind, one.antennas, one.directions, one.correlations, 3, one.trouble);
    const auto plain = sums_on_cpu(data);
    const auto before = solve_on_cpu(data, plain, {}, 0);
    for (const bool robust : {false, true}) {
      const auto want = robust ? sums_on_cpu(data, 2, &before) : plain,
                 got = sums_by_functors(data, 2, robust ? &before : nullptr);
      if (robust && one.trouble == Trouble::none) {
        EXPECT_NE(want, plain) << "weights changed";
      }
      for (size_t i = 0; i < want.size(); ++i)
        ASSERT_NEAR(got[i], want[i], 1e-10 * (1 + std::abs(want[i]))) << i;
    }
  }
}

TEST(DeviceDirections, SolutionsAgreeWithTheCpu) {
  for (const auto& one : cases())
    for (const auto solver : {DirectionSolver::iterative, DirectionSolver::levenberg_marquardt}) {
      SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(one.kind) << ", " << one.directions
                                      << " directions, trouble " << static_cast<int>(one.trouble)
                                      << ", solver " << static_cast<int>(solver));
      const Data data(one.kind, one.antennas, one.directions, one.correlations, 5, one.trouble);
      const auto sums = sums_on_cpu(data);
      DirectionLimits limits;
      limits.solver = solver;
      for (const int64_t reference : {int64_t{-1}, int64_t{3}}) {
        const auto want = solve_on_cpu(data, sums, limits, reference),
                   got = solve_by_team(data, sums, limits, reference),
                   again = solve_by_team(data, sums, limits, reference, Play::backwards);
        same(got, want, 1e-5);
        EXPECT_EQ(std::memcmp(got.gains.data(), again.gains.data(), 16 * got.gains.size()), 0)
            << "no step depends on the order of its elements";
      }
    }
}

TEST(DeviceDirections, WarpsWaitForEachOther) {
  DirectionLimits limits;
  limits.solver = DirectionSolver::levenberg_marquardt;
  limits.iterations = 3;
  limits.steps = 2;
  limits.acceptable = 10;
  for (const auto kind : {SolveKind::scalar_phase, SolveKind::diagonal}) {
    const Data data(kind, 5, 3, 1, 5);
    const auto sums = sums_on_cpu(data);
    const auto want = solve_by_team(data, sums, limits, 2),
               got = solve_by_team(data, sums, limits, 2, Play::warps);
    EXPECT_EQ(want.outcomes[0].antennas, 5);
    EXPECT_EQ(std::memcmp(got.gains.data(), want.gains.data(), 16 * want.gains.size()), 0);
    EXPECT_EQ(got.outcomes[0].residual_power, want.outcomes[0].residual_power);
  }
}

TEST(DeviceDirections, IntervalsAreSolvedTogether) {
  for (const auto kind : {SolveKind::scalar_phase, SolveKind::diagonal}) {
    const Data data(kind, 8, 2, 4, 1);
    std::vector<std::vector<double>> sums;
    for (unsigned seed = 1; seed <= 3; ++seed) sums.push_back(sums_on_cpu(Data(kind, 8, 2, 4, seed)));
    const auto together = solve_by_team(data.shape, sums, {}, 0);
    for (size_t i = 0; i < sums.size(); ++i) {
      const auto alone = solve_by_team(data, sums[i], {}, 0);
      EXPECT_EQ(std::memcmp(together[i].gains.data(), alone.gains.data(), 16 * alone.gains.size()), 0);
      same(together[i], solve_on_cpu(data, sums[i], {}, 0), 1e-5);
    }
  }
}

TEST(DeviceDirections, StepsAreTheCpus) {
  for (const auto kind : {SolveKind::scalar_phase, SolveKind::phase, SolveKind::diagonal}) {
    const Data data(kind, 12, 3, 2, 8);
    const auto sums = sums_on_cpu(data);
    DirectionLimits limits;
    limits.acceptable = 100;
    limits.tolerance = 1e-15;
    for (const int iterations : {1, 3, 10}) {
      limits.solver = DirectionSolver::iterative;
      limits.iterations = iterations;
      same(solve_by_team(data, sums, limits, 0), solve_on_cpu(data, sums, limits, 0), 1e-10, 0);
    }
    // A sweep, then steps of all parameters together; nearer to the bottom rounding decides which of them count.
    limits.solver = DirectionSolver::levenberg_marquardt;
    limits.iterations = 1;
    for (const int steps : {1, 2}) {
      limits.steps = steps;
      const auto want = solve_on_cpu(data, sums, limits, 0);
      EXPECT_EQ(want.outcomes[0].iterations, 1 + steps);
      EXPECT_FALSE(want.outcomes[0].failed);
      same(solve_by_team(data, sums, limits, 0), want, 1e-8, 0);
    }
  }
}

TEST(DeviceDirections, WhatIsFittedTogetherStaysOnTheHost) {
  DirectionShape shape;
  EXPECT_TRUE(fits_blocks_apart(shape, {}));
  DirectionLimits smooth;
  smooth.smooth_hz = 1;
  EXPECT_FALSE(fits_blocks_apart(shape, smooth));
  shape.gains.kind = SolveKind::tec;
  EXPECT_FALSE(fits_blocks_apart(shape, {}));
}

#if FRINGEFLOW_HAVE_CUDA
class CudaDirections : public test::CudaTest {};

TEST_F(CudaDirections, TheLaunchersAgreeWithTheCpu) {
  using test::kStream;
  using test::OnDevice;
  for (const auto& one : cases()) {
    const Data data(one.kind, one.antennas, one.directions, one.correlations, 5, one.trouble);
    const auto sums = sums_on_cpu(data);
    const OnDevice<Cfloat> vis(data.vis);
    const OnDevice<float> weight(data.weight);
    const OnDevice<int32_t> antennas(data.antennas);
    const OnDevice<double> uvw(data.uvw_m), device_sums(data.shape.accumulator_size());
    DirectionRows in = device_rows(data, 0, nullptr);
    in.vis = cuda::as_visibility(vis.data());
    in.weight = weight.data();
    in.antennas = antennas.data();
    in.models = nullptr;
    in.sums = device_sums.data();
    in.first = true;
    accumulate_directions_cuda(kStream, in, *data.groups, data.freq_hz, uvw.data());
    const auto got_sums = device_sums.host();
    for (size_t i = 0; i < sums.size(); ++i)
      EXPECT_NEAR(got_sums[i], sums[i], 1e-5 * (1 + std::abs(sums[i])));  // models in float
    for (const auto solver : {DirectionSolver::iterative, DirectionSolver::levenberg_marquardt}) {
      DirectionLimits limits;
      limits.solver = solver;
      const Solution empty(data.shape);
      const OnDevice<double> halves(sums), none(data.shape.accumulator_size());
      const OnDevice<Cdouble> gains(empty.gains);
      const OnDevice<uint8_t> valid(empty.valid);
      const OnDevice<Outcome> outcomes(empty.outcomes);
      const std::vector<DirectionParts> intervals{
          {{nullptr, cuda::as_complex(gains.data()), valid.data(), outcomes.data()},
           {halves.data(), none.data()}}};
      solve_directions_cuda(kStream, data.shape, limits, 3, intervals);
      Solution got(data.shape);
      got.gains = gains.host();
      got.valid = valid.host();
      got.outcomes = outcomes.host();
      same(got, solve_on_cpu(data, sums, limits, 3), 1e-5);
    }
  }
}
#endif

}  // namespace
}  // namespace fringeflow::calibrate
