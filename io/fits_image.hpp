// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Images as FITS files: the headers of WSClean's products, read and written without any table or extension.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "io/atomic_file.hpp"
#include "io/coordinates.hpp"
#include "io/view.hpp"

namespace fringeflow::io {

/// Restoring beam: full widths at half maximum, position angle from north to east.
struct BeamShape {
  double major_rad = 0, minor_rad = 0, pa_rad = 0;
};

/// One further card, e.g. {"WSCWEIGH", "briggs(0)", "weighting"}. Keywords have 1 to 8 of A-Z 0-9 - _.
struct FitsCard {
  std::string key;
  std::variant<std::string, double, int64_t, bool> value;
  std::string comment = {};
};

/// What the header of an image says.
struct FitsHeader {
  ImageGrid grid;
  double frequency_hz = 0, bandwidth_hz = 0;  ///< centre and width; 0 Hz: unknown, written as 0
  char stokes = 'I';
  std::optional<BeamShape> beam;
  std::string unit = "JY/BEAM";  ///< JY/PIXEL for models
  std::string telescope, object, observer;
  std::string date_obs;               ///< ISO 8601 UTC, see format_utc
  std::string origin = "Fringeflow";  ///< program and version
  std::vector<FitsCard> cards;        ///< further keywords, written in this order after the standard ones
  std::vector<std::string> history;   ///< paragraphs; long ones are cut into cards, line ends begin new ones

  /// Why `grid` cannot be used, for a file without the coordinates of a SIN image; empty: the grid is good.
  std::string grid_problem;
};

/// Writes a float image, whole or not at all, at once or together with other `products`.
/// @param pixels  [ny][nx], row 0 is the southernmost, column 0 the easternmost; NaN is blank. Extents as in
/// header.grid. Throws RunError naming the path: unwritable folder, full disk.
void write_fits_image(const std::string& path, const FitsHeader& header, View<const float, 2> pixels,
                      Products* products = nullptr);

/// An image in memory.
template <class T>
struct FitsImage {
  FitsHeader header;
  int64_t planes = 1;     ///< product of the third and further axes
  std::vector<T> pixels;  ///< [planes][ny][nx]; blank pixels are NaN

  /// @return [planes][ny][nx]
  View<const T, 3> view() const { return {pixels.data(), {planes, header.grid.ny, header.grid.nx}}; }
};

/// Reads the first image of a FITS file of any pixel type, 2 to 4 axes, scaled by BSCALE and BZERO (T: float
/// or double). Throws UserError naming the path: missing file, not FITS, no image in it, another number of
/// axes; RunError for a file that ends too early.
template <class T>
FitsImage<T> read_fits_image(const std::string& path);

/// Reads only the header.
FitsHeader read_fits_header(const std::string& path);

/// Reads a mask or a model that must fit the image `grid`: one plane of the same size, and at the same place
/// on the sky when the file says where it is. `what` names its role in the message ("mask"). Throws
/// UserError, RunError.
template <class T>
FitsImage<T> read_fits_matching(const std::string& path, const ImageGrid& grid, const std::string& what);

/// The header of `write_fits_image` as text, for tests and for other writers: cards of 80 characters, padded
/// to 2880.
std::string fits_header_text(const FitsHeader& header);

}  // namespace fringeflow::io
