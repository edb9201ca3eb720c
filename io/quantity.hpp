// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The words in which people state values: quantities with units, ranges, sky coordinates, times, sizes.
/// Every function takes the text as written, gives base units (rad, Hz, s, Jy, m, bytes) and throws
/// UserError, which names the text and what is accepted.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/options.hpp"

namespace fringeflow {

enum class Dimension { angle, frequency, duration, flux, length, bytes };

/// Accepted units of a dimension, smallest first, as people read them: "uas, mas, asec, …".
std::string unit_names(Dimension dimension);

/// "1.5asec", "1.3 GHz": a number and a unit of `dimension`, in its base unit.
double parse_quantity(std::string_view text, Dimension dimension);

/// A number without a unit, finite.
double parse_number(std::string_view text);

/// A whole number; "20000", "2e4" is accepted as it is exact.
int64_t parse_integer(std::string_view text);

/// "600MiB", "2 GiB": whole bytes, at least 0.
int64_t parse_bytes(std::string_view text);

/// A flux "1mJy" or a multiple of the noise "5sigma".
struct Threshold {
  ThresholdKind kind = ThresholdKind::none;
  double value = 0;
};
Threshold parse_threshold(std::string_view text);

/// Limits on the length of (u, v), in metres or in wavelengths.
struct UvRange {
  Range range;
  bool wavelengths = false;
};
/// "100..30000lambda", "..2km", "0.1~30klambda": the unit at the end applies to both ends.
UvRange parse_uv_range(std::string_view text);

/// Whole numbers "0..63", "4..", "7": both ends included.
Range parse_integer_range(std::string_view text);

/// Times "a..b", either end open; see parse_time.
Range parse_time_range(std::string_view text);

/// An instant in UTC as MJD seconds: "2026-01-01", "2026-01-01T00:00:00.5Z", MJD in days "61041.25" (numbers
/// below a million) or in seconds, the scale of a MeasurementSet's TIME ("5273942400").
double parse_time(std::string_view text);

/// "RA,DEC": "30deg,-30deg", "02h03m04.5s,-30d12m11s" or "02:03:04.5,-30:12:11" (hours and degrees).
Direction parse_direction(std::string_view text);

/// Image sizes "4096", "4096,2048", "4096x2048": [nx, ny].
std::vector<int64_t> parse_size(std::string_view text);

/// Splits at commas, trims; an empty piece is an error.
std::vector<std::string> split_list(std::string_view text);

/// Without leading and trailing white space.
std::string_view trim(std::string_view text);

}  // namespace fringeflow
