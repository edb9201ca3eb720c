// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/fits_image.hpp"

#include <fitsio.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <memory>
#include <new>
#include <string_view>
#include <system_error>

#include "io/constants.hpp"
#include "io/error.hpp"

namespace fringeflow::io {
namespace {

constexpr double kDegree = kPi / 180;

struct FitsCloser {
  void operator()(fitsfile* file) const {
    int status = 0;
    fits_close_file(file, &status);
  }
};
using FitsPointer = std::unique_ptr<fitsfile, FitsCloser>;

std::string status_text(int status) {
  char text[FLEN_STATUS] = "";
  fits_get_errstatus(status, text);
  return text;
}

/// Opens the first image that has pixels. The path is taken literally: brackets in it are no extended file
/// name syntax.
FitsPointer open_image(const std::string& path, int& naxis, std::array<LONGLONG, 4>& axes) {
  if (access(path.c_str(), R_OK) != 0) {
    throw UserError(fmt::format("{}: {}", path, std::generic_category().message(errno)));
  }
  int status = 0;
  fitsfile* raw = nullptr;
  fits_open_diskfile(&raw, path.c_str(), READONLY, &status);
  if (status) {
    fits_clear_errmsg();
    throw UserError(fmt::format("{}: not a FITS file ({})", path, status_text(status)));
  }
  FitsPointer file(raw);
  int units = 0;
  fits_get_num_hdus(raw, &units, &status);
  for (int unit = 1; unit <= units && !status; ++unit) {
    int type = 0;
    naxis = 0;
    fits_movabs_hdu(raw, unit, &type, &status);
    if (!status && type == IMAGE_HDU) fits_get_img_dim(raw, &naxis, &status);
    if (status || naxis == 0) continue;
    if (naxis < 2 || naxis > 4) {
      throw UserError(
          fmt::format("{}: an image of {} axes; 2 to 4 are read (RA, Dec, frequency, Stokes)", path, naxis));
    }
    axes.fill(1);
    fits_get_img_sizell(raw, naxis, axes.data(), &status);
    if (status) break;
    // The limit only keeps products of absurd sizes from overflowing; memory decides below it.
    double size = 1;
    for (const LONGLONG n : axes) size *= static_cast<double>(n);
    if (!(size > 0) || size > 1e13) throw UserError(fmt::format("{}: an image of {:g} pixels", path, size));
    return file;
  }
  fits_clear_errmsg();
  if (status) throw UserError(fmt::format("{}: not readable as FITS ({})", path, status_text(status)));
  throw UserError(path + ": no image in this FITS file");
}

/// Finds a damaged or truncated header before memory is taken for the pixels that it promises.
void check_length(const std::string& path, fitsfile* file, LONGLONG pixels) {
  int status = 0, bits = 0;
  fits_get_img_type(file, &bits, &status);
  const double promised = static_cast<double>(pixels) * std::abs(bits) / 8;
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  const auto bytes = static_cast<double>(in.tellg());
  char start[6] = "";
  in.seekg(0);
  in.read(start, sizeof(start));
  const bool plain =
      std::string_view(start, sizeof(start)) == "SIMPLE" && !fits_is_compressed_image(file, &status);
  if (plain && bytes < promised) {
    throw RunError(fmt::format("{}: the image ends too early: {:.0f} bytes where its header promises {:.0f}",
                               path, bytes, promised));
  }
}

class HeaderReader {
 public:
  explicit HeaderReader(fitsfile* file) : file_(file) {}

  std::optional<double> real(const char* key) const {
    int status = 0;
    double value = 0;
    fits_read_key(file_, TDOUBLE, key, &value, nullptr, &status);
    if (!status) return value;
    fits_clear_errmsg();
    return std::nullopt;
  }
  std::string text(const char* key) const {
    int status = 0;
    char value[FLEN_VALUE] = "";
    fits_read_key(file_, TSTRING, key, value, nullptr, &status);
    if (status) {
      fits_clear_errmsg();
      return {};
    }
    std::string s = value;
    while (!s.empty() && s.back() == ' ') s.pop_back();
    return s;
  }

 private:
  fitsfile* file_;
};

/// Fills the grid, or says why these are not the coordinates of an unrotated SIN image with square cells.
std::string read_grid(const HeaderReader& in, ImageGrid& grid) {
  const std::string type1 = in.text("CTYPE1"), type2 = in.text("CTYPE2");
  if (type1 != "RA---SIN" || type2 != "DEC--SIN") {
    return type1.empty() ? "no sky coordinates (CTYPE1 is missing)"
                         : fmt::format("axes {} and {} instead of RA---SIN and DEC--SIN", type1, type2);
  }
  const auto ra = in.real("CRVAL1"), dec = in.real("CRVAL2"), pixel1 = in.real("CRPIX1"),
             pixel2 = in.real("CRPIX2");
  auto step1 = in.real("CDELT1"), step2 = in.real("CDELT2");
  if (const auto cd1 = in.real("CD1_1"), cd2 = in.real("CD2_2"); cd1 && cd2) {
    step1 = cd1;
    step2 = cd2;
  }
  if (!ra || !dec || !step1 || !step2 || std::abs(*dec) > 90) return "incomplete sky coordinates";
  for (const char* key : {"CROTA2", "CD1_2", "CD2_1", "PC1_2", "PC2_1", "PV2_1", "PV2_2"}) {
    if (in.real(key).value_or(0) != 0)
      return fmt::format("{} is not zero: rotated or slanted images are not read", key);
  }
  if (in.real("LONPOLE").value_or(180) != 180) return "LONPOLE is not 180: rotated images are not read";
  if (in.real("EQUINOX").value_or(2000) != 2000) return "EQUINOX is not 2000";
  for (const char* key : {"CUNIT1", "CUNIT2"}) {
    const std::string unit = in.text(key);
    if (!unit.empty() && unit.substr(0, 3) != "deg" && unit.substr(0, 3) != "DEG") {
      return fmt::format("{} is {} instead of deg", key, unit);
    }
  }
  if (!(*step1 < 0) || !(*step2 > 0) || std::abs(*step1 + *step2) > 1e-6 * *step2) {
    return fmt::format("cells of {} by {} degrees: they must be square, east to the left", *step1, *step2);
  }
  grid.centre = {*ra * kDegree, *dec * kDegree};
  grid.cell_rad = *step2 * kDegree;
  grid.x0 = pixel1.value_or(0) - 1;
  grid.y0 = pixel2.value_or(0) - 1;
  return {};
}

FitsHeader read_header(fitsfile* file, int naxis, const std::array<LONGLONG, 4>& axes) {
  const HeaderReader in(file);
  FitsHeader header;
  header.grid = ImageGrid({}, 0, axes[0], axes[1]);
  header.grid_problem = read_grid(in, header.grid);
  for (int axis = 3; axis <= naxis; ++axis) {
    const std::string type = in.text(fmt::format("CTYPE{}", axis).c_str());
    const double value = in.real(fmt::format("CRVAL{}", axis).c_str()).value_or(0);
    const double step = in.real(fmt::format("CDELT{}", axis).c_str()).value_or(0);
    // The value of the first plane, wherever the reference pixel is.
    const double first = value + (1 - in.real(fmt::format("CRPIX{}", axis).c_str()).value_or(1)) * step;
    if (type.starts_with("FREQ")) {
      header.frequency_hz = first;
      header.bandwidth_hz = step;
    } else if (type == "STOKES" && first >= 1 && first <= 4) {
      header.stokes = "IQUV"[std::lround(first) - 1];
    }
  }
  if (const auto major = in.real("BMAJ"), minor = in.real("BMIN"); major && minor) {
    header.beam = BeamShape{*major * kDegree, *minor * kDegree, in.real("BPA").value_or(0) * kDegree};
  }
  header.unit = in.text("BUNIT");
  header.telescope = in.text("TELESCOP");
  header.object = in.text("OBJECT");
  header.observer = in.text("OBSERVER");
  header.date_obs = in.text("DATE-OBS");
  header.origin = in.text("ORIGIN");
  return header;
}

}  // namespace

void write_fits_image(const std::string& path, const FitsHeader& header, View<const float, 2> pixels,
                      Products* products) {
  if (pixels.extent(0) != header.grid.ny || pixels.extent(1) != header.grid.nx) {
    throw std::invalid_argument("write_fits_image: the grid of the header has another size than the pixels");
  }
  AtomicFile file(path);
  file.write(fits_header_text(header));
  // FITS is big-endian; the pixels are turned in pieces that stay in the cache instead of in a second image.
  std::vector<uint32_t> piece(1 << 16);
  const auto size = static_cast<size_t>(pixels.size());
  for (size_t at = 0; at < size; at += piece.size()) {
    const size_t n = std::min(piece.size(), size - at);
    std::memcpy(piece.data(), pixels.data() + at, n * sizeof(uint32_t));
    if constexpr (std::endian::native == std::endian::little) {
      for (size_t i = 0; i < n; ++i) piece[i] = __builtin_bswap32(piece[i]);
    }
    file.write(piece.data(), n * sizeof(uint32_t));
  }
  file.write(std::string((2880 - size * sizeof(float) % 2880) % 2880, '\0'));
  finish(std::move(file), products);
}

template <class T>
FitsImage<T> read_fits_image(const std::string& path) {
  int naxis = 0;
  std::array<LONGLONG, 4> axes{};
  const FitsPointer file = open_image(path, naxis, axes);
  FitsImage<T> image;
  image.header = read_header(file.get(), naxis, axes);
  image.planes = axes[2] * axes[3];
  const LONGLONG size = axes[0] * axes[1] * image.planes;
  check_length(path, file.get(), size);
  try {
    image.pixels.resize(static_cast<size_t>(size));
  } catch (const std::bad_alloc&) {
    throw RunError(fmt::format("{}: an image of {} pixels does not fit in memory", path, size));
  }
  int status = 0, any_blank = 0;  // cfitsio 4.2 writes through the latter without looking whether it is there
  T blank = std::numeric_limits<T>::quiet_NaN();
  LONGLONG first[4] = {1, 1, 1, 1};
  const int type = sizeof(T) == sizeof(float) ? TFLOAT : TDOUBLE;
  fits_read_pixll(file.get(), type, first, size, &blank, image.pixels.data(), &any_blank, &status);
  if (status) {
    fits_clear_errmsg();
    throw RunError(fmt::format("{}: the image ends too early or is damaged ({})", path, status_text(status)));
  }
  return image;
}

FitsHeader read_fits_header(const std::string& path) {
  int naxis = 0;
  std::array<LONGLONG, 4> axes{};
  const FitsPointer file = open_image(path, naxis, axes);
  return read_header(file.get(), naxis, axes);
}

template <class T>
FitsImage<T> read_fits_matching(const std::string& path, const ImageGrid& grid, const std::string& what) {
  const FitsHeader header = read_fits_header(path);
  if (header.grid.nx != grid.nx || header.grid.ny != grid.ny) {
    throw UserError(fmt::format("{}: the {} has {} x {} pixels, the image {} x {}", path, what,
                                header.grid.nx, header.grid.ny, grid.nx, grid.ny));
  }
  // A file without coordinates is taken pixel by pixel; one with other coordinates would be used at the wrong
  // place.
  if (header.grid_problem.empty() && !header.grid.same_as(grid, 0.1)) {
    throw UserError(fmt::format("{}: the {} lies elsewhere on the sky than the image: centre {} {}, cell {}",
                                path, what, format_ra(header.grid.centre.ra_rad),
                                format_dec(header.grid.centre.dec_rad), format_angle(header.grid.cell_rad)));
  }
  FitsImage<T> image = read_fits_image<T>(path);
  if (image.planes != 1) {
    throw UserError(fmt::format("{}: the {} has {} planes, one is needed", path, what, image.planes));
  }
  return image;
}

template FitsImage<float> read_fits_image<float>(const std::string&);
template FitsImage<double> read_fits_image<double>(const std::string&);
template FitsImage<float> read_fits_matching<float>(const std::string&, const ImageGrid&, const std::string&);
template FitsImage<double> read_fits_matching<double>(const std::string&, const ImageGrid&,
                                                      const std::string&);

}  // namespace fringeflow::io
