// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A model image on its grid, to be degridded piece by piece: fill -> uncorrect -> columns_to_grid -> rows_to_grid once, then
/// index -> degrid for each piece of rows.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "codelets/gridder/plan.hpp"
#include "io/fits_image.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::graphs {

class ImageModel {
 public:
  /// Rows that see one phase centre in the same channels.
  struct Piece {
    int64_t rows = 0, channels = 0;
    Direction phase_centre;
    std::shared_ptr<const std::vector<double>> freq_hz;
  };
  /// Fills UVW [row][3], metres, of a piece; called twice for each, in the thread of the constructor.
  using ReadUvw = std::function<void(size_t piece, View<double, 2> uvw_m)>;

  /// Called with the bytes that grids and indices take, before they are made; may throw.
  using Admit = std::function<void(int64_t bytes)>;

  /// Plans the facets and submits what puts the image on their grids.
  /// @param name of the image and of the set, for messages
  /// @param slots pieces in flight
  /// Throws UserError for an image of several planes, without coordinates, or of another phase centre.
  ImageModel(runtime::TaskSink& sink, const io::FitsImage<float>& image, const std::string& name,
             const std::string& set, double accuracy, std::vector<Piece> pieces, const ReadUvw& read_uvw,
             size_t slots, const Admit& admit = {});

  /// Submits the prediction of a piece. Visibilities beyond the grid are predicted too: the pixels repeat exactly.
  /// @param uvw [row][3] double
  /// @param vis [1][row][channel] complex float, written
  void submit(runtime::TaskSink& sink, size_t piece, size_t slot, runtime::DataId uvw, runtime::DataId vis,
              int32_t number) const;
  /// What the planner chose and why.
  const std::string& choices() const { return choices_; }

 private:
  int64_t bytes(const io::FitsImage<float>& image, size_t slots) const;
  void put_on_grids(runtime::TaskSink& sink, const io::FitsImage<float>& image);

  std::vector<Piece> pieces_;
  std::vector<std::shared_ptr<gridder::FacetPlan>> facets_;
  std::vector<std::vector<int64_t>> capacity_;        ///< [piece][facet]: runs of the index, at most
  std::vector<std::vector<runtime::DataId>> stores_;  ///< [facet][slab and strip]
  std::vector<std::vector<runtime::DataId>> index_;   ///< [slot][facet]
  std::string choices_;
};

}  // namespace fringeflow::graphs
