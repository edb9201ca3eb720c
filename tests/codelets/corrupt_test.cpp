// SPDX-License-Identifier: GPL-3.0-or-later
// Statistics of what the emulator draws, and closed forms of what it does to visibilities.
#include "codelets/corrupt/corrupt.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include <cmath>
#include <cstring>
#include <vector>

#include "codelets/corrupt/random.hpp"
#include "codelets/simulate/simulate.hpp"
#include "io/constants.hpp"

namespace fringeflow::corrupt {
namespace {

using Complex = std::complex<double>;
using Cfloat = std::complex<float>;

// The known answers of the authors of Philox (Random123, kat_vectors).
TEST(Random, PhiloxGivesItsKnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Random, StreamsAndSeedsDiffer) {
  EXPECT_NE(normal(1, Stream::noise, 0, 0, 0, 0), normal(1, Stream::gains, 0, 0, 0, 0));
  EXPECT_NE(normal(1, Stream::noise, 0, 0, 0, 0), normal(2, Stream::noise, 0, 0, 0, 0));
  EXPECT_NE(normal(1, Stream::noise, 0, 0, 0, 0), normal(1ull << 32 | 1, Stream::noise, 0, 0, 0, 0));
}

/// All baselines of `n` antennas.
std::vector<int32_t> baselines(int32_t n) {
  std::vector<int32_t> pairs;
  for (int32_t p = 0; p < n; ++p)
    for (int32_t q = p; q < n; ++q) pairs.insert(pairs.end(), {p, q});
  return pairs;
}

/// Samples with what happened to them.
struct Sky {
  std::vector<int> codes;
  int64_t stokes, channels;
  std::vector<int32_t> antennas;
  std::vector<double> time_s{100};
  std::vector<int32_t> time_number{3}, frequency;
  std::vector<Cfloat> model, vis;

  Sky(std::vector<int> c, int64_t s, int64_t ch, int32_t n)
      : codes(std::move(c)), stokes(s), channels(ch), antennas(baselines(n)) {
    for (int64_t i = 0; i < stokes * rows() * channels; ++i)
      model.emplace_back(1 + 0.25f * static_cast<float>(i % 7), 0.5f - 0.125f * static_cast<float>(i % 5));
  }
  int64_t rows() const { return static_cast<int64_t>(antennas.size() / 2); }
  void corrupt(const io::GainLookup* gains, double noise, uint64_t seed = 1) {
    const auto correlations = static_cast<int64_t>(codes.size());
    frequency.assign(static_cast<size_t>(channels), 0);
    vis.assign(static_cast<size_t>(rows() * channels * correlations), {9, 9});
    corrupt_cpu({codes,
                 {model.data(), {stokes, rows(), channels}},
                 {antennas.data(), {rows(), 2}},
                 time_s,
                 time_number,
                 gains,
                 frequency,
                 noise,
                 seed,
                 {vis.data(), {rows(), channels, correlations}}});
  }
};

TEST(Random, ManyNormalNumbersAtOnceAreTheSame) {
  std::vector<uint32_t> a;
  for (uint32_t i = 0; i < 10007; ++i) a.push_back(i * i);
  std::vector<double> re(a.size()), im(a.size());
  normal_cpu(0x123456789abcdefull, Stream::noise, a, 7, 9, 0xffffffffu, re.data(), im.data());
  for (size_t i = 0; i < a.size(); ++i) {
    const Complex want = normal(0x123456789abcdefull, Stream::noise, a[i], 7, 9, 0xffffffffu);
    ASSERT_LT(std::abs(Complex(re[i], im[i]) - want), 4e-15 * std::abs(want)) << i;
  }
  // However many at a time.
  double one_re = 0, one_im = 0;
  normal_cpu(0x123456789abcdefull, Stream::noise, std::span(a).subspan(1234, 1), 7, 9, 0xffffffffu, &one_re,
             &one_im);
  EXPECT_EQ(one_re, re[1234]);
  EXPECT_EQ(one_im, im[1234]);
}

TEST(Corrupt, NoiseHasTheAskedDeviation) {
  Sky sky({9, 10, 11, 12}, 1, 64, 40);
  std::fill(sky.model.begin(), sky.model.end(), 0.f);
  constexpr double kSigma = 0.3;
  sky.corrupt(nullptr, kSigma);
  const auto n = static_cast<double>(sky.vis.size());
  double re = 0, im = 0, re2 = 0, im2 = 0, both = 0, fourth = 0, lag = 0;
  for (size_t i = 0; i < sky.vis.size(); ++i) {
    const Complex x = Complex(sky.vis[i]) / kSigma;
    re += x.real();
    im += x.imag();
    re2 += x.real() * x.real();
    im2 += x.imag() * x.imag();
    both += x.real() * x.imag();
    fourth += std::pow(x.real(), 4);
    if (i > 0) lag += x.real() * static_cast<double>(sky.vis[i - 1].real()) / kSigma;
  }
  // Five sampling errors each: one in two million by chance.
  const double five = 5 / std::sqrt(n);
  EXPECT_LT(std::abs(re / n), five);
  EXPECT_LT(std::abs(im / n), five);
  EXPECT_LT(std::abs(std::sqrt(re2 / n) - 1), five / std::sqrt(2));
  EXPECT_LT(std::abs(std::sqrt(im2 / n) - 1), five / std::sqrt(2));
  EXPECT_LT(std::abs(both / n), five);
  EXPECT_LT(std::abs(lag / n), five);
  EXPECT_LT(std::abs(fourth / n - 3), five * std::sqrt(96));
}

TEST(Corrupt, NoiseOfASampleIsItsOwn) {
  Sky all({5, 8}, 1, 8, 6);
  all.corrupt(nullptr, 1);
  Sky part = all;  // other rows, in another order, and fewer channels do not matter
  part.channels = 3;
  part.antennas = {2, 5, 0, 1};
  part.model.assign(6, 0);
  for (int64_t row = 0; row < 2; ++row)
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t r = 0; r < all.rows(); ++r)
        if (std::equal(part.antennas.begin() + 2 * row, part.antennas.begin() + 2 * row + 2,
                       all.antennas.begin() + 2 * r))
          part.model[static_cast<size_t>(row * 3 + c)] = all.model[static_cast<size_t>(r * 8 + c)];
  part.corrupt(nullptr, 1);
  int compared = 0;
  for (int64_t row = 0; row < 2; ++row)
    for (int64_t r = 0; r < all.rows(); ++r) {
      if (!std::equal(part.antennas.begin() + 2 * row, part.antennas.begin() + 2 * row + 2,
                      all.antennas.begin() + 2 * r))
        continue;
      EXPECT_EQ(std::memcmp(part.vis.data() + row * 6, all.vis.data() + r * 16, 6 * sizeof(Cfloat)), 0);
      ++compared;
    }
  EXPECT_EQ(compared, 2);
}

io::GainTable leaky_gains(int count, bool circular) {
  std::vector<io::Antenna> antennas(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i)
    antennas[static_cast<size_t>(i)].name = std::string(1, static_cast<char>('A' + i));
  const GainEffect effects[] = {{GainEffect::Kind::constant, 0.2, 1, 0},
                                {GainEffect::Kind::leakage, 0.1, 0, 0}};
  const double times[] = {100, 108}, freqs[] = {1e9, 1.1e9};
  return draw_gains(effects, 7, times, freqs, antennas, circular);
}

TEST(Corrupt, JonesMatricesOnBothSides) {
  for (const bool circular : {false, true}) {
    const auto table = leaky_gains(4, circular);
    Sky sky(circular ? std::vector<int>{5, 6, 7, 8} : std::vector<int>{9, 10, 11, 12}, 4, 3, 4);
    const io::GainLookup gains(table, table.antennas, sky.codes, "g", "s");
    sky.corrupt(&gains, 0);
    const Complex j(0, 1);
    for (int64_t row = 0; row < sky.rows(); ++row)
      for (int64_t c = 0; c < sky.channels; ++c) {
        Complex s[4];
        for (int64_t k = 0; k < 4; ++k)
          s[k] = sky.model[static_cast<size_t>((k * sky.rows() + row) * sky.channels + c)];
        const Complex b[4] = {
            circular ? s[0] + s[3] : s[0] + s[1], circular ? s[1] + j * s[2] : s[2] + j * s[3],
            circular ? s[1] - j * s[2] : s[2] - j * s[3], circular ? s[0] - s[3] : s[0] - s[1]};
        const auto p = static_cast<size_t>(sky.antennas[static_cast<size_t>(2 * row)]),
                   q = static_cast<size_t>(sky.antennas[static_cast<size_t>(2 * row + 1)]);
        for (size_t a = 0; a < 2; ++a)
          for (size_t d = 0; d < 2; ++d) {
            Complex want = 0;
            for (size_t e = 0; e < 2; ++e)
              for (size_t f = 0; f < 2; ++f)
                want +=
                    table.gains[4 * p + 2 * a + e] * b[2 * e + f] * std::conj(table.gains[4 * q + 2 * d + f]);
            const Complex got = sky.vis[static_cast<size_t>((row * sky.channels + c) * 4) + 2 * a + d];
            EXPECT_LT(std::abs(got - want), 1e-6 * std::abs(want) + 1e-7);
          }
      }
    // What reading corrects for is what was put in.
    std::vector<Cfloat> back = sky.vis;
    for (int64_t row = 0; row < sky.rows(); ++row) {
      bool flag[12] = {};
      gains.correct(100, sky.antennas[static_cast<size_t>(2 * row)],
                    sky.antennas[static_cast<size_t>(2 * row + 1)], sky.frequency, sky.codes,
                    back.data() + row * 12, flag);
      for (const bool one : flag) EXPECT_FALSE(one);
    }
    Sky clean = sky;
    clean.corrupt(nullptr, 0);
    for (size_t i = 0; i < back.size(); ++i) EXPECT_LT(std::abs(back[i] - clean.vis[i]), 3e-6);
  }
}

TEST(Gains, AreOfTheAskedStrengthAndFollowFromTheSeed) {
  constexpr size_t kAntennas = 400, kTimes = 61;
  std::vector<io::Antenna> antennas(kAntennas);
  std::vector<double> times, freqs{1e9, 1.1e9, 1.2e9};
  for (size_t t = 0; t < kTimes; ++t) times.push_back(5e9 + 10 * static_cast<double>(t));
  const GainEffect walk[] = {{GainEffect::Kind::walk, 0.05, 0.4, 600}};
  const auto table = draw_gains(walk, 3, times, freqs, antennas, false);
  EXPECT_EQ(table.freq_hz.size(), 1u);
  // Starts at 1 and has wandered by the asked rms after 600 s.
  double amplitude = 0, phase = 0;
  for (size_t i = 0; i < 2 * kAntennas; ++i) {
    EXPECT_EQ(table.gains[i], Complex(1));
    const Complex end = table.gains[(kTimes - 1) * 2 * kAntennas + i];
    amplitude += std::pow(std::log(std::abs(end)), 2);
    phase += std::pow(std::arg(end), 2);
  }
  const double n = 2 * kAntennas, five = 5 / std::sqrt(2 * n);
  EXPECT_NEAR(std::sqrt(amplitude / n) / 0.05, 1, five);
  EXPECT_NEAR(std::sqrt(phase / n) / 0.4, 1, five);
  EXPECT_EQ(table.gains, draw_gains(walk, 3, times, freqs, antennas, false).gains);
  EXPECT_NE(table.gains, draw_gains(walk, 4, times, freqs, antennas, false).gains);
  const GainEffect band[] = {{GainEffect::Kind::bandpass, 0.1, 0.2, 0}};
  EXPECT_EQ(draw_gains(band, 3, times, freqs, antennas, true).freq_hz.size(), 3u);
  EXPECT_EQ(draw_gains(band, 3, times, freqs, antennas, true).polarisations,
            (std::vector<std::string>{"RR", "LL"}));
}

TEST(Screen, HasTheAskedRmsAndKolmogorovsStructure) {
  const Screen screen{.rms_tecu = 0.2, .scale_m = 20e3, .height_m = 0, .speed_m_s = 100, .seed = 5};
  const auto waves = screen_waves(screen);
  constexpr int64_t kPlaces = 40000;
  std::vector<double> place(2 * kPlaces), tec(kPlaces), moved(kPlaces);
  const double lmn[3] = {0, 0, 0};
  const auto fill = [&](double shift, double seconds, std::vector<double>& out) {
    for (int64_t i = 0; i < kPlaces; ++i) {
      const auto u = uniform(9, Stream::screen, static_cast<uint32_t>(i), 7, 0, 0);
      place[static_cast<size_t>(2 * i)] = 3e6 * u[0] + shift;
      place[static_cast<size_t>(2 * i + 1)] = 3e6 * u[1];
    }
    screen_cpu(screen, waves, seconds, {place.data(), {kPlaces, 2}}, {lmn, {1, 3}},
               {out.data(), {1, kPlaces}});
  };
  fill(0, 0, tec);
  double power = 0;
  for (const double t : tec) power += t * t;
  EXPECT_NEAR(std::sqrt(power / kPlaces), 0.2, 0.01);
  // Frozen: after 30 s what was here is 3 km further along u.
  fill(3e3, 30, moved);
  for (size_t i = 0; i < tec.size(); i += 1000) EXPECT_NEAR(moved[i], tec[i], 1e-6);
  // D(r) ~ r^(5/3) well inside the outer scale.
  const auto structure = [&](double r) {
    fill(r, 0, moved);
    double sum = 0;
    for (size_t i = 0; i < tec.size(); ++i) sum += (moved[i] - tec[i]) * (moved[i] - tec[i]);
    return sum / kPlaces;
  };
  EXPECT_NEAR(std::log2(structure(1600) / structure(400)) / 2, 5. / 3, 0.25);
}

TEST(Screen, ItsPhaseGoesAsOneOverFrequency) {
  constexpr int64_t kChannels = 45;
  const double uvw[] = {100, -40, 3}, lmn[] = {0.01, -0.02, std::sqrt(1 - 5e-4) - 1};
  std::vector<double> freq, flux(kChannels, 2);
  for (int64_t c = 0; c < kChannels; ++c) freq.push_back(1.2e8 + 1e6 * static_cast<double>(c));
  const double tec[] = {0.3, -0.1};
  const int32_t antennas[] = {0, 1};
  std::vector<Cfloat> with(kChannels), without(kChannels);
  SimulateArguments a{{uvw, {1, 3}},
                      {freq.data(), {kChannels}},
                      {lmn, {1, 3}},
                      {flux.data(), {1, kChannels, 1}},
                      {without.data(), {1, 1, kChannels}}};
  simulate_cpu(a);
  a.vis = {with.data(), {1, 1, kChannels}};
  a.tec = {tec, {1, 2}};
  a.antennas = {antennas, {1, 2}};
  simulate_cpu(a);
  for (size_t c = 0; c < freq.size(); ++c) {
    const Complex want = Complex(without[c]) * std::polar(1., -8.44797245e9 * 0.4 / freq[c]);
    EXPECT_LT(std::abs(Complex(with[c]) - want), 3e-7 * 2) << c;
  }
}

TEST(Rfi, BurstsAreWhereTheySayAndFactorIntoAntennas) {
  const std::vector<double> times{100, 110, 120, 130}, freq{1e9, 1.001e9, 1.002e9};
  RfiModel model;
  model.bursts = 3;
  model.flux_jy = 50;
  model.duration_s = 12;
  model.width_hz = 1.5e6;
  const auto bursts = draw_bursts(model, 5, times, freq, 4);
  ASSERT_EQ(bursts.size(), 3u);
  EXPECT_EQ(draw_bursts(model, 5, times, freq, 4)[1].begin_s, bursts[1].begin_s);
  EXPECT_NE(draw_bursts(model, 6, times, freq, 4)[1].begin_s, bursts[1].begin_s);
  const std::vector<int> codes{9, 10, 11, 12};
  const std::vector<std::complex<float>> model_vis(3, 2.f);
  for (size_t t = 0; t < times.size(); ++t)
    for (int32_t p = 0; p < 4; ++p)
      for (int32_t q = p + 1; q < 4; ++q) {
        const std::vector<int32_t> pair{p, q}, number{static_cast<int32_t>(t)};
        std::vector<std::complex<float>> vis(12);
        CorruptArguments a;
        a.correlations = codes;
        a.stokes_vis = {model_vis.data(), {1, 1, 3}};
        a.antennas = {pair.data(), {1, 2}};
        a.time_s = {&times[t], 1};
        a.time_number = number;
        a.vis = {vis.data(), {1, 3, 4}};
        a.bursts = bursts;
        a.freq_hz = freq;
        corrupt_cpu(a);
        for (size_t c = 0; c < 3; ++c)
          for (size_t k = 0; k < 4; ++k) {
            std::complex<double> expected = k == 0 || k == 3 ? 2. : 0.;
            for (const auto& b : bursts)
              if (times[t] >= b.begin_s && times[t] <= b.end_s && freq[c] >= b.freq_begin_hz &&
                  freq[c] <= b.freq_end_hz)
                expected += 50. * b.response[static_cast<size_t>(2 * p) + k / 2] *
                            std::conj(b.response[static_cast<size_t>(2 * q) + k % 2]);
            EXPECT_LT(std::abs(std::complex<double>(vis[4 * c + k]) - expected), 1e-4);
          }
      }
}

TEST(Rfi, DurationsWidthsAndStrengthsHaveTheirMeans) {
  const std::vector<double> times{0, 1000}, freq{1e9, 1.1e9};
  RfiModel model;
  model.bursts = 4000;
  const auto bursts = draw_bursts(model, 1, times, freq, 2);
  double duration = 0, width = 0, power = 0;
  for (const auto& b : bursts) {
    duration += (b.end_s - b.begin_s) / 4000;
    width += (b.freq_end_hz - b.freq_begin_hz) / 4000;
    for (const auto& r : b.response) power += std::norm(r) / 16000;
  }
  // Three standard errors of an exponential's mean.
  EXPECT_NEAR(duration, 30, 30 * 3 / std::sqrt(4000.));
  EXPECT_NEAR(width, 1e6, 1e6 * 3 / std::sqrt(4000.));
  EXPECT_NEAR(power, 1, 3 / std::sqrt(16000.));
}

TEST(Rfi, FlagsCoverBurstsAndTheAskedShare) {
  std::vector<double> freq;
  for (int i = 0; i < 100; ++i) freq.push_back(1e9 + 1e5 * i);
  RfiBurst burst{10, 20, 1.002e9, 1.0041e9, 1, {}};
  FlagModel model;
  model.rfi = true;
  std::vector<uint8_t> flag(100);
  flag_row(model, {&burst, 1}, 1, 0, 1, 15, 0, freq, flag.data());
  for (size_t c = 0; c < 100; ++c) EXPECT_EQ(flag[c], c >= 20 && c <= 41 ? 1 : 0) << c;
  std::fill(flag.begin(), flag.end(), uint8_t{0});
  flag_row(model, {&burst, 1}, 1, 0, 1, 25, 0, freq, flag.data());
  EXPECT_EQ(std::count(flag.begin(), flag.end(), 1), 0);
  model.rfi = false;
  model.random = 0.1;
  int64_t flagged = 0;
  for (int t = 0; t < 400; ++t) {
    std::fill(flag.begin(), flag.end(), uint8_t{0});
    flag_row(model, {}, 1, 0, 1, t, t, freq, flag.data());
    flagged += std::count(flag.begin(), flag.end(), 1);
  }
  EXPECT_NEAR(static_cast<double>(flagged), 4000, 3 * std::sqrt(40000 * 0.09));
}

}  // namespace
}  // namespace fringeflow::corrupt
