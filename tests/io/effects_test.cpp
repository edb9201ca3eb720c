// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/effects.hpp"

#include <gtest/gtest.h>

#include "io/constants.hpp"
#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow {
namespace {

using test::message_of;

TEST(Effects, Gains) {
  const auto model = parse_gain_model("walk:phase=90deg,time=5min,amplitude=0.01 + constant");
  ASSERT_EQ(model.effects.size(), 2u);
  EXPECT_EQ(model.effects[0].kind, GainEffect::Kind::walk);
  EXPECT_DOUBLE_EQ(model.effects[0].phase_rad, kPi / 2);
  EXPECT_EQ(model.effects[0].time_s, 300);
  EXPECT_EQ(model.effects[0].amplitude, 0.01);
  EXPECT_EQ(model.effects[1].kind, GainEffect::Kind::constant);
  EXPECT_EQ(parse_gain_model("a/b.h5").file, "a/b.h5");
}

TEST(Effects, NoiseScreensAndBeams) {
  EXPECT_EQ(parse_noise("10mJy").sigma_jy, 0.01);
  EXPECT_EQ(parse_noise("sefd:420Jy").sefd_jy, 420);
  EXPECT_EQ(parse_screen("0.3").rms_tecu, 0.3);
  const auto screen = parse_screen("rms=0.1,scale=5km,height=350km,speed=-50");
  EXPECT_EQ(screen.scale_m, 5e3);
  EXPECT_EQ(screen.height_m, 350e3);
  EXPECT_EQ(screen.speed_m_s, -50);
  EXPECT_DOUBLE_EQ(parse_beam("gaussian:1deg").fwhm_rad, kPi / 180);
  EXPECT_EQ(parse_beam("cosine:30amin").kind, BeamModel::Kind::cosine);
  EXPECT_EQ(parse_beam("b.fits").file, "b.fits");
}

TEST(Effects, Averaging) {
  const auto averaging = parse_averaging("field=2deg,smearing=0.05,interval=2min");
  EXPECT_DOUBLE_EQ(averaging.field_rad, kPi / 90);
  EXPECT_EQ(averaging.smearing, 0.05);
  EXPECT_EQ(averaging.interval_s, 120);
  EXPECT_EQ(parse_averaging("field=1deg").smearing, 0.01);
  EXPECT_FALSE(AveragingOptions{}.any());
}

TEST(Effects, MistakesAreNamed) {
  struct Case {
    std::string message, word;
  };
  const Case cases[] = {
      {message_of<UserError>([] { parse_gain_model("wlak"); }), "'wlak' is no kind of gains"},
      {message_of<UserError>([] { parse_gain_model("walk:period=5min"); }), "no key 'period'"},
      {message_of<UserError>([] { parse_gain_model("constant:time=5min"); }), "no key 'time'"},
      {message_of<UserError>([] { parse_gain_model("walk:time=0s"); }), "above 0"},
      {message_of<UserError>([] { parse_gain_model("constant:amplitude=-1"); }), "below 0"},
      {message_of<UserError>([] { parse_gain_model("constant:amplitude"); }), "KEY=VALUE"},
      {message_of<UserError>([] { parse_noise("1"); }), "1"},
      {message_of<UserError>([] { parse_noise("-1Jy"); }), "below 0"},
      {message_of<UserError>([] { parse_screen("rms=0.1,hight=3km"); }), "no key 'hight'"},
      {message_of<UserError>([] { parse_screen("rms=0.1,scale=0km"); }), "scale"},
      {message_of<UserError>([] { parse_averaging("interval=60s"); }), "field=2deg"},
      {message_of<UserError>([] { parse_averaging("field=1deg,smearing=2"); }), "'2' is not a share"},
      {message_of<UserError>([] { parse_averaging("field=0deg"); }), "'0deg'"},
      {message_of<UserError>([] { parse_averaging("feild=1deg"); }), "no key 'feild'"},
      {message_of<UserError>([] { parse_averaging("field=1deg,interval=0s"); }), "above 0"},
      {message_of<UserError>([] { parse_beam("gaussian"); }), "no beam"},
      {message_of<UserError>([] { parse_beam("gaussian:0deg"); }), "above 0"},
  };
  for (const auto& c : cases)
    EXPECT_NE(c.message.find(c.word), std::string::npos) << c.word << ": " << c.message;
}

}  // namespace
}  // namespace fringeflow
