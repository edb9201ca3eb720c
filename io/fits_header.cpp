// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "io/constants.hpp"
#include "io/error.hpp"
#include "io/fits_image.hpp"

namespace fringeflow::io {
namespace {

constexpr size_t kCard = 80, kBlock = 2880;
constexpr double kDegree = kPi / 180;

/// FITS headers are printable ASCII: other characters become '?', one for each UTF-8 character, tabs become
/// blanks.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '\t') {
      out += ' ';
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else if ((byte & 0xc0) != 0x80) {
      out += '?';
    }
  }
  return out;
}

/// The shortest text that reads back as the same number, with a point and an upper-case exponent as FITS
/// wants them.
std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  const size_t exponent = text.find('e');
  if (text.find('.') == std::string::npos)
    text.insert(exponent == std::string::npos ? text.size() : exponent, ".0");
  std::replace(text.begin(), text.end(), 'e', 'E');
  return text;
}

class HeaderText {
 public:
  void real(std::string_view key, double value, std::string_view comment = {}) {
    // NaN and infinity have no FITS form; a keyword without a value means "undefined".
    fixed(key, std::isfinite(value) ? real_text(value) : "", comment);
  }
  void integer(std::string_view key, int64_t value, std::string_view comment = {}) {
    fixed(key, fmt::format("{}", value), comment);
  }
  void logical(std::string_view key, bool value, std::string_view comment = {}) {
    fixed(key, value ? "T" : "F", comment);
  }

  void text(std::string_view key, std::string_view value, std::string_view comment = {}) {
    std::string quoted;
    for (const char c : printable(value)) {
      const std::string piece = c == '\'' ? "''" : std::string(1, c);
      if (quoted.size() + piece.size() > 68)
        break;  // a longer string would need CONTINUE cards, which few programs read
      quoted += piece;
    }
    card(fmt::format("{:<8}= {:<20}", key, fmt::format("'{:<8}'", quoted)), comment);
  }

  void history(std::string_view paragraphs) {
    size_t at = 0;
    while (at <= paragraphs.size()) {
      const size_t end = std::min(paragraphs.find('\n', at), paragraphs.size());
      const std::string line = printable(paragraphs.substr(at, end - at));
      for (size_t cut = 0; cut < line.size(); cut += 72) put("HISTORY " + line.substr(cut, 72));
      at = end + 1;
    }
  }

  void any(const FitsCard& c) {
    const bool good = !c.key.empty() && c.key.size() <= 8 &&
                      c.key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == std::string::npos;
    if (!good) throw std::invalid_argument("not a FITS keyword: " + c.key);
    if (const auto* s = std::get_if<std::string>(&c.value)) text(c.key, *s, c.comment);
    if (const auto* d = std::get_if<double>(&c.value)) real(c.key, *d, c.comment);
    if (const auto* i = std::get_if<int64_t>(&c.value)) integer(c.key, *i, c.comment);
    if (const auto* b = std::get_if<bool>(&c.value)) logical(c.key, *b, c.comment);
  }

  std::string finish() {
    put("END");
    text_.resize((text_.size() + kBlock - 1) / kBlock * kBlock, ' ');
    return std::move(text_);
  }

 private:
  void fixed(std::string_view key, std::string_view value, std::string_view comment) {
    card(fmt::format("{:<8}= {:>20}", key, value), comment);
  }
  void card(std::string line, std::string_view comment) {
    if (!comment.empty()) line += " / " + printable(comment);
    put(line);
  }
  void put(std::string line) {
    line.resize(kCard, ' ');
    text_ += line;
  }

  std::string text_;
};

int stokes_code(char stokes) {
  const size_t at = std::string_view("IQUV").find(stokes);
  return at == std::string_view::npos ? 0 : static_cast<int>(at) + 1;
}

}  // namespace

std::string fits_header_text(const FitsHeader& header) {
  const ImageGrid& grid = header.grid;
  HeaderText out;
  out.logical("SIMPLE", true, "file does conform to FITS standard");
  out.integer("BITPIX", -32, "32-bit floating point pixels");
  out.integer("NAXIS", 4);
  out.integer("NAXIS1", grid.nx);
  out.integer("NAXIS2", grid.ny);
  out.integer("NAXIS3", 1);
  out.integer("NAXIS4", 1);
  out.logical("EXTEND", true);
  out.real("BSCALE", 1);
  out.real("BZERO", 0);
  out.text("BUNIT", header.unit);
  if (header.beam) {
    out.real("BMAJ", header.beam->major_rad / kDegree, "degrees, full width at half maximum");
    out.real("BMIN", header.beam->minor_rad / kDegree);
    out.real("BPA", header.beam->pa_rad / kDegree, "degrees, north to east");
  }
  out.real("EQUINOX", 2000, "J2000");
  out.text("BTYPE", "Intensity");
  if (!header.telescope.empty()) out.text("TELESCOP", header.telescope);
  if (!header.observer.empty()) out.text("OBSERVER", header.observer);
  if (!header.object.empty()) out.text("OBJECT", header.object);
  out.text("ORIGIN", header.origin);
  // A turn away changes no direction, and a right ascension from 0 to 360 degrees is what people search for.
  double ra = std::remainder(grid.centre.ra_rad, 2 * kPi) / kDegree;
  if (ra < 0) ra += 360;
  out.text("CTYPE1", "RA---SIN", "Right ascension angle cosine");
  out.real("CRPIX1", grid.x0 + 1);
  out.real("CRVAL1", ra);
  out.real("CDELT1", -grid.cell_rad / kDegree);
  out.text("CUNIT1", "deg");
  out.text("CTYPE2", "DEC--SIN", "Declination angle cosine");
  out.real("CRPIX2", grid.y0 + 1);
  out.real("CRVAL2", grid.centre.dec_rad / kDegree);
  out.real("CDELT2", grid.cell_rad / kDegree);
  out.text("CUNIT2", "deg");
  out.text("CTYPE3", "FREQ", "Central frequency");
  out.real("CRPIX3", 1);
  out.real("CRVAL3", header.frequency_hz);
  // wcslib refuses an axis without a step, so an unknown width becomes 1 Hz.
  out.real("CDELT3", header.bandwidth_hz > 0 ? header.bandwidth_hz : 1);
  out.text("CUNIT3", "Hz");
  out.text("CTYPE4", "STOKES");
  out.real("CRPIX4", 1);
  out.real("CRVAL4", stokes_code(header.stokes));
  out.real("CDELT4", 1);
  out.text("CUNIT4", "");
  out.text("SPECSYS", "TOPOCENT");
  if (!header.date_obs.empty()) out.text("DATE-OBS", header.date_obs);
  for (const FitsCard& card : header.cards) out.any(card);
  for (const std::string& paragraph : header.history) out.history(paragraph);
  return out.finish();
}

}  // namespace fringeflow::io
