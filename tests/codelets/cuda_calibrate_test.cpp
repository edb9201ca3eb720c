// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// The calibrator's device code, run on the CPU, against the CPU's kernels; and the launchers, where there is a device.
#include <gtest/gtest.h>

#include "fringeflow_version.hpp"

#include <algorithm>
#include <cstring>
#include <random>

#include "codelets/calibrate/accumulate_cuda.hpp"
#include "codelets/calibrate/solve_matrices_cuda.hpp"
#include "io/measurement_set_stokes.hpp"
#include "tests/codelets/calibrate_on_host.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "tests/codelets/cuda_device.hpp"
#endif

namespace fringeflow::calibrate {
namespace {

using Cdouble = std::complex<double>;
using Cfloat = std::complex<float>;
using test::Play;

/// What is wrong with an array.
enum class Trouble { none, dead, alone, two_islands, silent, few };

/// Four times of all baselines, both ways round, with noise and gaps.
struct Data {
  Shape shape;
  std::vector<int> codes;
  int64_t rows = 0;
  std::vector<int32_t> antennas;
  std::vector<Cfloat> stokes, model, vis;  ///< [4][row][channel], [row][channel][correlation]
  std::vector<float> weight;

  Data(SolveKind kind, int64_t count, int64_t correlations, int64_t per_solution, unsigned seed,
       Trouble trouble = Trouble::none) {
    shape.kind = kind;
    shape.antennas = count;
    shape.channels = 7;
    shape.channels_per_solution = per_solution;
    shape.correlations = correlations;
    codes = correlations == 1   ? std::vector<int>{9}
            : correlations == 2 ? std::vector<int>{5, 8}
                                : std::vector<int>{9, 10, 11, 12};
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    const auto draw = [&] { return Cdouble(normal(random), normal(random)); };
    std::vector<Cdouble> gains;
    for (int64_t i = 0; i < 4 * count; ++i) {
      const bool off = i % 4 == 1 || i % 4 == 2;
      const Cdouble g = kind == SolveKind::diagonal || kind == SolveKind::full
                            ? std::exp(0.2 * draw())
                            : std::polar(1., normal(random));
      gains.push_back(off ? (kind == SolveKind::full ? 0.1 * draw() : 0.)
                      : kind == SolveKind::scalar_phase && i % 4 == 3 ? gains[static_cast<size_t>(i - 3)]
                                                                      : g);
    }
    if (trouble == Trouble::dead)
      for (size_t k = 0; k < 4; ++k) gains[8 + k] *= 1e-5;
    for (int t = 0; t < 4; ++t)
      for (int32_t p = 0; p < count; ++p)
        for (int32_t q = p; q < count; ++q) {
          const bool swap = (p + q + t) % 5 == 2;
          antennas.insert(antennas.end(), {swap ? q : p, swap ? p : q});
        }
    rows = static_cast<int64_t>(antennas.size() / 2);
    for (int64_t i = 0; i < 4 * rows * shape.channels; ++i)
      stokes.push_back(Cfloat(draw() * (i < rows * shape.channels ? 3. : 0.7)));
    const std::array<int64_t, 3> extents{rows, shape.channels, correlations};
    model.resize(static_cast<size_t>(rows * shape.channels * correlations));
    io::correlations_of("IQUV", codes, View<const Cfloat, 3>(stokes.data(), {4, rows, shape.channels}),
                        View<Cfloat, 3>(model.data(), extents));
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t c = 0; c < shape.channels; ++c) {
        const auto p = static_cast<size_t>(antennas[static_cast<size_t>(2 * row)]),
                   q = static_cast<size_t>(antennas[static_cast<size_t>(2 * row + 1)]);
        for (int64_t k = 0; k < correlations; ++k) {
          const auto at = static_cast<size_t>((row * shape.channels + c) * correlations + k);
          Cdouble v = 0;
          if (correlations == 4)
            for (size_t i = 0; i < 2; ++i)
              for (size_t j = 0; j < 2; ++j)
                v += gains[4 * p + 2 * static_cast<size_t>(k / 2) + i] *
                     Cdouble(model[at - static_cast<size_t>(k) + 2 * i + j]) *
                     std::conj(gains[4 * q + 2 * static_cast<size_t>(k % 2) + j]);
          else
            v = gains[4 * p + 3 * static_cast<size_t>(k)] * Cdouble(model[at]) *
                std::conj(gains[4 * q + 3 * static_cast<size_t>(k)]);
          vis.push_back(Cfloat(v + 0.05 * draw()));
          bool gap = (row + 3 * c + k) % 17 == 0;
          if (trouble == Trouble::alone) gap = gap || p == 1 || q == 1;
          if (trouble == Trouble::two_islands) gap = gap || (p < 4) != (q < 4);
          if (trouble == Trouble::silent) gap = gap || c >= shape.channels_per_solution;
          if (trouble == Trouble::few) gap = gap || p > 1 || q > 1;
          weight.push_back(gap ? 0.f : 0.5f + static_cast<float>(at % 3));
        }
      }
    vis[20] = Cfloat(NAN, 0);
    stokes[30] = Cfloat(INFINITY, 1);
    io::correlations_of("IQUV", codes, View<const Cfloat, 3>(stokes.data(), {4, rows, shape.channels}),
                        View<Cfloat, 3>(model.data(), extents));
  }
  std::vector<double> nothing() const {
    return std::vector<double>(static_cast<size_t>(shape.accumulator_size()), 0.5);
  }
  std::vector<double> sums_on_cpu(bool first) const {
    auto sums = first ? std::vector<double>(nothing().size(), 0.) : nothing();
    const std::array<int64_t, 3> extents{rows, shape.channels, shape.correlations};
    accumulate_cpu({shape,
                    {vis.data(), extents},
                    {weight.data(), extents},
                    {model.data(), extents},
                    {antennas.data(), {rows, 2}},
                    {sums.data(), {shape.blocks(), shape.baselines(), shape.sums()}}});
    return sums;
  }
  AccumulateRows accumulate_rows() const {
    AccumulateRows in;
    in.shape = shape;
    in.rows = rows;
    in.vis = cuda::as_visibility(vis.data());
    in.weight = weight.data();
    in.antennas = antennas.data();
    in.model = cuda::as_visibility(stokes.data());
    in.mixes = cuda::correlation_mixes(4, codes);
    return in;
  }
  std::vector<double> sums_by_team(bool first, bool backwards) const {
    auto sums = nothing();
    AccumulateRows in = accumulate_rows();
    const test::SortedRows sorted(antennas, rows, shape.antennas);
    in.keys = sorted.keys.data();
    in.order = sorted.order.data();
    in.sums = sums.data();
    in.first = first;
    const int64_t parts = shape.blocks() * shape.baselines();
    if (shape.kind == SolveKind::full)
      for (int64_t i = 0; i < parts * AccumulateMatrices::kProducts; ++i) AccumulateMatrices{in}(i);
    else
      for (int64_t begin = 0; begin < parts; begin += cuda::kTeamWarps)
        AccumulateHands{in}(cuda::Team{backwards}, begin, std::min<int64_t>(parts - begin, cuda::kTeamWarps));
    return sums;
  }
};

/// Gains of some intervals.
struct Solutions {
  std::vector<Cdouble> gains;
  std::vector<uint8_t> valid;
  std::vector<Outcome> outcomes;
  explicit Solutions(const Shape& shape)
      : gains(static_cast<size_t>(shape.blocks() * shape.antennas * shape.polarisations()),
              Cdouble(NAN, NAN)),
        valid(gains.size(), 7),
        outcomes(static_cast<size_t>(shape.blocks() * shape.fits())) {}
};

Solutions solve_on_cpu(const Shape& shape, const std::vector<double>& sums, const Limits& limits,
                       int64_t reference) {
  Solutions out(shape);
  const std::array<int64_t, 3> extents{shape.blocks(), shape.antennas, shape.polarisations()};
  solve_cpu({shape,
             {sums.data(), {shape.blocks(), shape.baselines(), shape.sums()}},
             {out.gains.data(), extents},
             {out.valid.data(), extents},
             {out.outcomes.data(), {shape.blocks(), shape.fits()}},
             limits,
             reference});
  return out;
}

template <class Fit>
void run_fits(const SolveJob& job, int64_t fits, Play play) {
  for (int64_t fit = 0; fit < fits; ++fit)
    test::play_fit(
        play,
        [&](cuda::Carver& fast, cuda::Carver& slow) { return Fit::carve(job.shape.antennas, fast, slow); },
        [&](const auto& space, const cuda::Team& team) { Fit(job, fit, space).run(team); });
}

std::vector<Solutions> solve_by_team(const Shape& shape, const std::vector<std::vector<double>>& sums,
                                     const Limits& limits, int64_t reference, Play play = Play::forwards) {
  std::vector<Solutions> out;
  std::vector<SolveInterval> intervals;
  for (size_t i = 0; i < sums.size(); ++i) out.emplace_back(shape);
  for (size_t i = 0; i < sums.size(); ++i)
    intervals.push_back(
        {sums[i].data(), cuda::as_complex(out[i].gains.data()), out[i].valid.data(), out[i].outcomes.data()});
  SolveJob job = solve_job(shape, limits, reference);
  job.intervals = intervals.data();
  const auto fits = static_cast<int64_t>(intervals.size()) * job.blocks * job.fits;
  if (shape.kind == SolveKind::full)
    run_fits<MatrixFit>(job, fits, play);
  else
    run_fits<HandFit>(job, fits, play);
  return out;
}

void same(const Solutions& got, const Solutions& want, double tolerance) {
  EXPECT_EQ(got.valid, want.valid);
  for (size_t i = 0; i < got.gains.size(); ++i)
    EXPECT_LT(std::abs(got.gains[i] - want.gains[i]), tolerance * (1 + std::abs(want.gains[i]))) << i;
  for (size_t i = 0; i < got.outcomes.size(); ++i)
    test::expect_alike(got.outcomes[i], want.outcomes[i], 2, 1e-9);
}

struct Case {
  SolveKind kind;
  int64_t antennas, correlations, per_solution;
  Trouble trouble = Trouble::none;
};
std::vector<Case> cases() {
  std::vector<Case> all{{SolveKind::scalar_phase, 9, 1, 7},
                        {SolveKind::scalar_phase, 9, 4, 3},
                        {SolveKind::scalar_phase, 9, 2, 2}};
  for (const auto kind : {SolveKind::phase, SolveKind::diagonal})
    for (const int64_t correlations : {1, 2, 4}) all.push_back({kind, 9, correlations, 3});
  all.push_back({SolveKind::full, 9, 4, 3});
  all.push_back({SolveKind::diagonal, 41, 2, 7});  // more antennas than lanes
  all.push_back({SolveKind::full, 35, 4, 7});
  for (const auto trouble :
       {Trouble::dead, Trouble::alone, Trouble::two_islands, Trouble::silent, Trouble::few})
    for (const auto kind : {SolveKind::phase, SolveKind::diagonal, SolveKind::full})
      all.push_back({kind, 9, 4, 4, trouble});
  return all;
}

TEST(DeviceCalibrate, SumsAgreeWithTheCpu) {
  for (const auto& one : cases())
    for (const bool first : {true, false}) {
      const Data data(one.kind, one.antennas, one.correlations, one.per_solution, 3, one.trouble);
      const auto want = data.sums_on_cpu(first), got = data.sums_by_team(first, false);
      for (size_t i = 0; i < want.size(); ++i) {
        if (one.kind == SolveKind::full && i % 66 == 65) continue;  // not used
        ASSERT_NEAR(got[i], want[i], 1e-11 * (1 + std::abs(want[i]))) << i;
      }
      EXPECT_EQ(data.sums_by_team(first, true), got) << "no step depends on the order of its elements";
    }
}

TEST(DeviceCalibrate, SolutionsAgreeWithTheCpu) {
  for (const auto& one : cases()) {
    SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(one.kind) << ", " << one.antennas
                                    << " antennas, " << one.correlations << " correlations, trouble "
                                    << static_cast<int>(one.trouble));
    // Three intervals in one go.
    std::vector<std::vector<double>> sums;
    Shape shape;
    for (unsigned seed = 1; seed <= 3; ++seed) {
      const Data data(one.kind, one.antennas, one.correlations, one.per_solution, seed, one.trouble);
      shape = data.shape;
      sums.push_back(data.sums_on_cpu(true));
    }
    for (const int64_t reference : {int64_t{-1}, int64_t{1}, int64_t{5}}) {
      const auto got = solve_by_team(shape, sums, {}, reference),
                 again = solve_by_team(shape, sums, {}, reference, Play::backwards);
      for (size_t i = 0; i < sums.size(); ++i) {
        const auto want = solve_on_cpu(shape, sums[i], {}, reference);
        same(got[i], want, 1e-6);
        EXPECT_EQ(std::memcmp(got[i].gains.data(), again[i].gains.data(), 16 * got[i].gains.size()), 0)
            << "no step depends on the order of its elements";
        EXPECT_EQ(std::count_if(got[i].valid.begin(), got[i].valid.end(), [](uint8_t v) { return v > 1; }),
                  0);
      }
    }
  }
}

TEST(DeviceCalibrate, WarpsWaitForEachOther) {
  Limits limits;
  limits.iterations = 6;
  limits.acceptable = 10;
  for (const Case& one : {Case{SolveKind::phase, 9, 2, 7}, Case{SolveKind::diagonal, 9, 1, 7, Trouble::dead},
                          Case{SolveKind::full, 9, 4, 7, Trouble::two_islands}}) {
    const Data data(one.kind, one.antennas, one.correlations, one.per_solution, 4, one.trouble);
    const auto sums = data.sums_on_cpu(true);
    const auto want = solve_by_team(data.shape, {sums}, limits, 1),
               got = solve_by_team(data.shape, {sums}, limits, 1, Play::warps);
    EXPECT_GT(want[0].outcomes[0].antennas, 2);
    EXPECT_EQ(std::memcmp(got[0].gains.data(), want[0].gains.data(), 16 * want[0].gains.size()), 0);
    EXPECT_EQ(got[0].outcomes[0].residual_power, want[0].outcomes[0].residual_power);
  }
}

TEST(DeviceCalibrate, IterationsAreTheCpus) {
  // Far from the end both have come equally far: the same steps, not only the same fixed point.
  for (const auto kind : {SolveKind::scalar_phase, SolveKind::phase, SolveKind::diagonal, SolveKind::full}) {
    const Data data(kind, 12, 4, 7, 8);
    const auto sums = data.sums_on_cpu(true);
    Limits limits;
    limits.acceptable = 10;
    for (const int iterations : {1, 2, 5}) {
      limits.iterations = iterations;
      const auto want = solve_on_cpu(data.shape, sums, limits, 0);
      EXPECT_FALSE(want.outcomes[0].converged);
      EXPECT_FALSE(want.outcomes[0].failed);
      same(solve_by_team(data.shape, {sums}, limits, 0)[0], want, 1e-12);
    }
    limits.acceptable = 0;
    same(solve_by_team(data.shape, {sums}, limits, 0)[0], solve_on_cpu(data.shape, sums, limits, 0), 1e-12);
  }
}

/// Gains for apply, some of them not valid, some that cannot be undone.
struct ToApply {
  Data data;
  Solutions solutions;
  std::vector<uint8_t> flag;
  explicit ToApply(const Case& one)
      : data(one.kind, one.antennas, one.correlations, one.per_solution, 5),
        solutions(solve_on_cpu(data.shape, data.sums_on_cpu(true), {}, 0)) {
    const auto pols = static_cast<size_t>(data.shape.polarisations());
    for (size_t i = 3; i < solutions.valid.size() / pols; i += 5)
      for (size_t k = 0; k < pols; ++k) solutions.valid[i * pols + k] = 0;
    if (data.shape.kind != SolveKind::full) solutions.gains[0] = 0;
    for (size_t i = 0; i < data.vis.size(); ++i) flag.push_back(i % 7 == 0 ? 1 : 0);
  }
};

void same_applied(const ToApply& job, const std::vector<Cfloat>& vis, const std::vector<uint8_t>& flag,
                  int64_t flagged) {
  const Shape& shape = job.data.shape;
  auto want = job.data.vis;
  auto want_flag = job.flag;
  const std::array<int64_t, 3> extents{job.data.rows, shape.channels, shape.correlations},
      gains{shape.blocks(), shape.antennas, shape.polarisations()};
  const int64_t count = apply_cpu({shape,
                                   {job.solutions.gains.data(), gains},
                                   {job.solutions.valid.data(), gains},
                                   {job.data.antennas.data(), {job.data.rows, 2}},
                                   {want.data(), extents},
                                   {want_flag.data(), extents}});
  EXPECT_GT(count, 0);
  EXPECT_EQ(flagged, count);
  EXPECT_EQ(flag, want_flag);
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_LE(std::abs(vis[i] - want[i]), 3e-7f * (std::abs(want[i]) + 0.1f)) << i;
}

TEST(DeviceCalibrate, CorrectionsAgreeWithTheCpu) {
  for (const auto& one : cases()) {
    if (one.trouble != Trouble::none) continue;
    const ToApply job(one);
    auto vis = job.data.vis;
    auto flag = job.flag;
    unsigned long long flagged = 0;  // NOLINT(google-runtime-int)
    for (int64_t i = 0; i < job.data.rows * job.data.shape.channels; ++i)
      ApplySample{job.data.shape,
                  cuda::as_complex(job.solutions.gains.data()),
                  job.solutions.valid.data(),
                  job.data.antennas.data(),
                  cuda::as_visibility(vis.data()),
                  flag.data(),
                  &flagged}(i);
    same_applied(job, vis, flag, static_cast<int64_t>(flagged));
  }
}

#if FRINGEFLOW_HAVE_CUDA
class CudaCalibrate : public test::CudaTest {};

TEST_F(CudaCalibrate, TheLaunchersAgreeWithTheCpu) {
  using test::kStream;
  using test::OnDevice;
  for (const auto& one : cases()) {
    std::vector<std::vector<double>> sums;
    std::vector<OnDevice<double>> device_sums;
    Shape shape;
    for (unsigned seed = 1; seed <= 3; ++seed) {
      const Data data(one.kind, one.antennas, one.correlations, one.per_solution, seed, one.trouble);
      shape = data.shape;
      sums.push_back(data.sums_on_cpu(true));
      const OnDevice<Cfloat> vis(data.vis), stokes(data.stokes);
      const OnDevice<float> weight(data.weight);
      const OnDevice<int32_t> antennas(data.antennas);
      device_sums.emplace_back(data.nothing());
      AccumulateRows in = data.accumulate_rows();
      in.vis = cuda::as_visibility(vis.data());
      in.weight = weight.data();
      in.antennas = antennas.data();
      in.model = cuda::as_visibility(stokes.data());
      in.sums = device_sums.back().data();
      in.first = true;
      accumulate_cuda(kStream, in);
      const auto got = device_sums.back().host();
      for (size_t i = 0; i < got.size(); ++i)
        if (one.kind != SolveKind::full || i % 66 != 65) {
          EXPECT_NEAR(got[i], sums.back()[i], 1e-11 * (1 + std::abs(sums.back()[i])));
        }
    }
    const Solutions empty(shape);
    std::vector<OnDevice<Cdouble>> gains;
    std::vector<OnDevice<uint8_t>> valid;
    std::vector<OnDevice<Outcome>> outcomes;
    std::vector<SolveInterval> intervals;
    for (size_t i = 0; i < sums.size(); ++i) {
      gains.emplace_back(empty.gains);
      valid.emplace_back(empty.valid);
      outcomes.emplace_back(empty.outcomes);
      intervals.push_back(
          {device_sums[i].data(), cuda::as_complex(gains[i].data()), valid[i].data(), outcomes[i].data()});
    }
    solve_cuda(kStream, shape, intervals, {}, 1);
    for (size_t i = 0; i < sums.size(); ++i) {
      Solutions got(shape);
      got.gains = gains[i].host();
      got.valid = valid[i].host();
      got.outcomes = outcomes[i].host();
      same(got, solve_on_cpu(shape, sums[i], {}, 1), 1e-6);
    }
    if (one.trouble != Trouble::none) continue;
    const ToApply job(one);
    const OnDevice<Cdouble> apply_gains(job.solutions.gains);
    const OnDevice<uint8_t> apply_valid(job.solutions.valid), flag(job.flag);
    const OnDevice<int32_t> antennas(job.data.antennas);
    const OnDevice<Cfloat> vis(job.data.vis);
    const OnDevice<int64_t> flagged(1);
    apply_cuda(kStream, job.data.shape, cuda::as_complex(apply_gains.data()), apply_valid.data(),
               antennas.data(), job.data.rows, cuda::as_visibility(vis.data()), flag.data(), flagged.data());
    same_applied(job, vis.host(), flag.host(), flagged.host()[0]);
  }
}
#endif

}  // namespace
}  // namespace fringeflow::calibrate
