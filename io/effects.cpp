// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/effects.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "io/constants.hpp"
#include "io/error.hpp"
#include "io/quantity.hpp"

namespace fringeflow {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// "a=1,b=2"
Pairs pairs_of(std::string_view text) {
  Pairs pairs;
  for (const auto& item : split_list(text)) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos) throw UserError(fmt::format("'{}' is not KEY=VALUE", item));
    pairs.emplace_back(trim(std::string_view(item).substr(0, equals)),
                       trim(std::string_view(item).substr(equals + 1)));
  }
  return pairs;
}

double not_negative(double value, const std::string& key) {
  if (value < 0) throw UserError(fmt::format("{} must not be below 0", key));
  return value;
}

GainEffect parse_effect(std::string_view text) {
  struct Kind {
    std::string_view name;
    GainEffect effect;
  };
  static constexpr std::array<Kind, 5> kKinds{{{"constant", {GainEffect::Kind::constant, 0.1, 1, 0}},
                                               {"walk", {GainEffect::Kind::walk, 0.02, 0.5, 600}},
                                               {"sinusoid", {GainEffect::Kind::sinusoid, 0.1, 0.5, 3600}},
                                               {"bandpass", {GainEffect::Kind::bandpass, 0.1, 0.2, 0}},
                                               {"leakage", {GainEffect::Kind::leakage, 0.02, 0, 0}}}};
  const std::string_view name = trim(text.substr(0, text.find(':')));
  for (const auto& kind : kKinds) {
    if (kind.name != name) continue;
    GainEffect effect = kind.effect;
    if (text.find(':') == std::string_view::npos) return effect;
    for (const auto& [key, value] : pairs_of(text.substr(text.find(':') + 1))) {
      const bool in_time = effect.kind == GainEffect::Kind::walk || effect.kind == GainEffect::Kind::sinusoid;
      if (key == "amplitude") {
        effect.amplitude = not_negative(parse_number(value), key);
      } else if (key == "phase" && effect.kind != GainEffect::Kind::leakage) {
        effect.phase_rad = not_negative(parse_quantity(value, Dimension::angle), key);
      } else if (key == "time" && in_time) {
        effect.time_s = parse_quantity(value, Dimension::duration);
        if (!(effect.time_s > 0)) throw UserError("time must be above 0");
      } else {
        throw UserError(fmt::format("'{}' has no key '{}'; keys are amplitude{}{}", name, key,
                                    effect.kind == GainEffect::Kind::leakage ? "" : ", phase",
                                    in_time ? ", time" : ""));
      }
    }
    return effect;
  }
  throw UserError(fmt::format(
      "'{}' is no kind of gains: constant, walk, sinusoid, bandpass, leakage (joined by +), or a file *.h5",
      name));
}

}  // namespace

GainModel parse_gain_model(std::string_view text) {
  GainModel model;
  if (text.ends_with(".h5") || text.ends_with(".h5parm")) {
    model.file = text;
    return model;
  }
  while (true) {
    const size_t plus = text.find('+');
    model.effects.push_back(parse_effect(trim(text.substr(0, plus))));
    if (plus == std::string_view::npos) return model;
    text = text.substr(plus + 1);
  }
}

NoiseModel parse_noise(std::string_view text) {
  NoiseModel model;
  constexpr std::string_view kSefd = "sefd:";
  const bool sefd = text.starts_with(kSefd);
  const double value = parse_quantity(sefd ? text.substr(kSefd.size()) : text, Dimension::flux);
  (sefd ? model.sefd_jy : model.sigma_jy) = not_negative(value, "noise");
  return model;
}

ScreenOptions parse_screen(std::string_view text) {
  ScreenOptions screen;
  if (text.find('=') == std::string_view::npos) {
    screen.rms_tecu = not_negative(parse_number(text), "tec");
    return screen;
  }
  for (const auto& [key, value] : pairs_of(text)) {
    if (key == "rms")
      screen.rms_tecu = not_negative(parse_number(value), key);
    else if (key == "scale")
      screen.scale_m = parse_quantity(value, Dimension::length);
    else if (key == "height")
      screen.height_m = parse_quantity(value, Dimension::length);
    else if (key == "speed")
      screen.speed_m_s = parse_number(value);
    else
      throw UserError(fmt::format("a screen has no key '{}'; keys are rms, scale, height, speed", key));
  }
  if (!(screen.scale_m > 0) || !(screen.height_m >= 0))
    throw UserError("scale must be above 0 and height not below it");
  return screen;
}

BeamModel parse_beam(std::string_view text) {
  BeamModel beam;
  const auto colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  if (text.ends_with(".fits") || text.ends_with(".fits.gz")) {
    beam.kind = BeamModel::Kind::image;
    beam.file = text;
    return beam;
  }
  if ((name != "gaussian" && name != "cosine") || colon == std::string_view::npos)
    throw UserError(fmt::format("'{}' is no beam: gaussian:FWHM, cosine:FWHM or a file *.fits", text));
  beam.kind = name == "gaussian" ? BeamModel::Kind::gaussian : BeamModel::Kind::cosine;
  beam.fwhm_rad = parse_quantity(text.substr(colon + 1), Dimension::angle);
  if (!(beam.fwhm_rad > 0)) throw UserError("the width of a beam must be above 0");
  return beam;
}

RfiModel parse_rfi(std::string_view text) {
  RfiModel rfi;
  for (const auto& [key, value] : pairs_of(text)) {
    if (key == "bursts") {
      const double bursts = parse_number(value);
      if (!(bursts >= 1) || bursts != std::floor(bursts) || bursts > 1e6)
        throw UserError(fmt::format("bursts: '{}' is not a count from 1 to 1000000", value));
      rfi.bursts = static_cast<int64_t>(bursts);
    } else if (key == "flux") {
      rfi.flux_jy = not_negative(parse_quantity(value, Dimension::flux), key);
    } else if (key == "duration") {
      rfi.duration_s = not_negative(parse_quantity(value, Dimension::duration), key);
    } else if (key == "width") {
      rfi.width_hz = not_negative(parse_quantity(value, Dimension::frequency), key);
    } else {
      throw UserError(fmt::format("rfi has no key '{}'; keys are bursts, flux, duration, width", key));
    }
  }
  if (rfi.bursts == 0) throw UserError("rfi: say how many bursts there are: bursts=20");
  return rfi;
}

FlagModel parse_flags(std::string_view text) {
  FlagModel flags;
  while (true) {
    const size_t plus = text.find('+');
    const std::string one(trim(text.substr(0, plus)));
    if (one == "rfi") {
      flags.rfi = true;
    } else {
      flags.random = parse_number(one);
      if (!(flags.random >= 0 && flags.random < 1))
        throw UserError(fmt::format("flags: '{}' is neither rfi nor a share from 0 to below 1", one));
    }
    if (plus == std::string_view::npos) return flags;
    text = text.substr(plus + 1);
  }
}

AveragingOptions parse_averaging(std::string_view text) {
  AveragingOptions averaging;
  for (const auto& [key, value] : pairs_of(text)) {
    if (key == "field") {
      averaging.field_rad = parse_quantity(value, Dimension::angle);
      if (!(averaging.field_rad > 0 && averaging.field_rad <= kPi))
        throw UserError(fmt::format("field: '{}' is not an angle above 0 and up to 180deg", value));
    } else if (key == "smearing") {
      averaging.smearing = parse_number(value);
      if (!(averaging.smearing > 0 && averaging.smearing < 1))
        throw UserError(fmt::format("smearing: '{}' is not a share above 0 and below 1", value));
    } else if (key == "interval") {
      averaging.interval_s = parse_quantity(value, Dimension::duration);
      if (!(averaging.interval_s > 0)) throw UserError("interval must be above 0");
    } else {
      throw UserError(fmt::format("averaging has no key '{}'; keys are field, smearing, interval", key));
    }
  }
  if (!averaging.any()) throw UserError("averaging: say how wide the field is: field=2deg");
  return averaging;
}

}  // namespace fringeflow
