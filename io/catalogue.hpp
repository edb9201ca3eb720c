// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Sky models: CSV catalogues, and component lists in the text format of WSClean and DP3.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/atomic_file.hpp"
#include "io/coordinates.hpp"
#include "io/fits_image.hpp"
#include "io/view.hpp"

namespace fringeflow::io {

/// A source of a catalogue, a point or an elliptical Gaussian, all four Stokes alike: with x = ν / reference_frequency_hz,
/// S(ν) = stokes_jy · x^(spectral_index + spectral_curvature · log10 x).
struct CatalogueSource {
  double ra_rad = 0, dec_rad = 0;
  std::array<double, 4> stokes_jy{};  ///< I, Q, U, V at the reference frequency
  double spectral_index = 0;
  double reference_frequency_hz = 0;    ///< 0 Hz only when the spectrum is flat
  double major_rad = 0, minor_rad = 0;  ///< full widths at half maximum; 0: a point
  double pa_rad = 0;                    ///< of the major axis, north to east at the source
  double spectral_curvature = 0;
};

/// A component of a sky model: a point or an elliptical Gaussian, with a polynomial spectrum.
struct SkyComponent {
  std::string name;
  double ra_rad = 0, dec_rad = 0;
  std::array<double, 4>
      stokes_jy{};  ///< I, Q, U, V at the reference frequency, integrated over the component
  double reference_frequency_hz = 0;  ///< 0 Hz only when spectral_terms is empty or all zero
  std::vector<double> spectral_terms;
  bool logarithmic = true;
  double major_rad = 0, minor_rad = 0;  ///< full widths at half maximum; 0: a point
  double pa_rad = 0;                    ///< north to east, in the (l, m) plane unless pa_is_absolute
  bool pa_is_absolute = false;          ///< position angle counts from the north at the component itself

  bool is_point() const { return major_rad == 0 && minor_rad == 0; }

  /// Flux densities at a frequency. With x = ν/ν0 and spectral terms c_k:
  /// logarithmic: stokes_jy · x^(Σ c_k log10(x)^k); else I = I0 + Σ c_k (x − 1)^(k+1), Q, U, V in proportion
  /// to I.
  std::array<double, 4> flux_jy(double frequency_hz) const;
};

/// Reads a CSV catalogue. The first line that is not blank or a # comment names the columns, in any order:
/// ra_deg, dec_deg, i_jy, and optional q_jy, u_jy, v_jy, spectral_index, reference_frequency_hz, major_asec,
/// minor_asec, pa_deg, spectral_curvature, name. Throws UserError with FILE:LINE and the column.
std::vector<CatalogueSource> read_csv_catalogue(const std::string& path);

/// Reads a component list: WSClean's -save-source-list output, or a DP3/makesourcedb sky model with the same
/// columns and Patch, Q, U, V, OrientationIsAbsolute. Lines that only name a patch are passed over. Throws
/// UserError with FILE:LINE.
std::vector<SkyComponent> read_component_list(const std::string& path);

/// Writes a component list as WSClean's -save-source-list does (columns Q, U, V only when one of them is not
/// zero). `reference_frequency_hz` is the default in the format line. Throws RunError naming the path.
void write_components(const std::string& path, std::span<const SkyComponent> components,
                      double reference_frequency_hz, Products* products = nullptr);

/// One point for each pixel that is not zero of a model image, or a circular Gaussian of `fwhm_rad` when that
/// is given (one call for each scale of multi-scale CLEAN). Names are s<scale>c<number>; pixels beyond the
/// horizon are passed over.
/// @param model  [ny][nx], Jy/pixel
std::vector<SkyComponent> components_of(View<const float, 2> model, const ImageGrid& grid,
                                        double reference_frequency_hz, int scale = 0, double fwhm_rad = 0);

/// A sky model of any kind: components, or an image in Jy/pixel.
struct SkyModel {
  std::vector<SkyComponent> components;
  std::optional<FitsImage<float>> image;
};

/// Reads FILE.csv, FILE.txt / .skymodel / .bbs / .sourcelist (component list), FILE.vot / .votable / .xml (VOTable) or FILE.fits / .fit /
/// .fits.gz (an image, or a table where it has one), told apart by the name. Throws UserError for another name, and what the readers
/// throw; a FITS model needs its coordinates.
/// @param columns which column of a table is what, as sources_of() takes it (io/catalogue_table.hpp)
SkyModel load_sky_model(const std::string& path, const std::string& columns = "");

SkyComponent component_of(const CatalogueSource& source);

}  // namespace fringeflow::io
