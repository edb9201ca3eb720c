// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/imaging/facet_gains.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "graphs/imaging/imaging_plan.hpp"
#include "io/error.hpp"

namespace fringeflow::graphs {
namespace {

/// Each facet gets the direction of the table that is nearest to it, for regions drawn around other centres.
io::DirectionalGains by_regions(const io::DirectionalGains& table, const std::vector<io::Facet>& regions) {
  io::DirectionalGains out;
  for (const auto& region : regions) {
    size_t best = 0;
    double nearest = INFINITY;
    for (size_t d = 0; d < table.directions.size(); ++d) {
      const auto lmn = io::lmn_of(region.centre, table.directions[d]);
      const double distance = lmn.l * lmn.l + lmn.m * lmn.m + lmn.n_minus_1 * lmn.n_minus_1;
      if (table.names[d] == region.name || distance < nearest) {
        best = d;
        nearest = table.names[d] == region.name ? -1 : distance;
      }
    }
    out.names.push_back(region.name);
    out.directions.push_back(region.centre);
    out.tables.push_back(table.tables[best]);
  }
  return out;
}

}  // namespace

std::shared_ptr<FacetGains> load_facet_gains(const ImagingPlan& plan) {
  const auto& image = plan.job.image;
  if (image.facet_gains.empty()) return nullptr;
  if (image.stokes != "I")
    throw UserError("facet_gains: stokes must be I: gains of facets correct nothing else");
  if (image.centre)
    throw UserError("facet_gains: the image must be centred on the data's phase centre; leave 'centre' out");
  auto out = std::make_shared<FacetGains>();
  out->table = io::read_directional_h5parm(image.facet_gains);
  if (out->table.directions.empty())
    throw UserError(image.facet_gains +
                    " has gains without directions: give them to calibrate --apply or selfcal");
  if (!image.facet_regions.empty()) out->table = by_regions(out->table, io::read_facets(image.facet_regions));
  auto known = std::make_shared<io::GainTable>(out->table.tables.front());
  for (size_t i = 0; i < known->gains.size(); ++i) {
    known->gains[i] = 1;
    for (const auto& one : out->table.tables) known->valid[i] = known->valid[i] || one.valid[i];
  }
  known->amplitudes = false;
  out->known = std::move(known);
  const io::ImageGrid grid(plan.centre, image.cell_rad, image.nx, image.ny);
  out->map = std::make_shared<const std::vector<int32_t>>(io::voronoi_map(out->table.directions, grid));
  if (std::all_of(out->map->begin(), out->map->end(), [](int32_t d) { return d < 0; }))
    throw UserError(image.facet_gains + ": its directions are on the other side of the sky");
  for (const auto& set : plan.measurement_sets) {
    auto& lookups = out->lookups.emplace_back();
    for (const auto& table : out->table.tables) lookups.push_back(set->lookup(table, image.facet_gains));
    if (!lookups.front()->diagonal())
      throw UserError(image.facet_gains + " has gains with leakage: facets take scalar or diagonal ones");
  }
  return out;
}

int rectangles_per_side(size_t directions) {
  return std::clamp(static_cast<int>(std::ceil(std::sqrt(1.5 * static_cast<double>(directions)))), 1, 8);
}

void divide_facets(ImagingPlan& plan, FacetGains& gains) {
  const auto directions = static_cast<int32_t>(gains.table.directions.size());
  gains.direction_of_facet.clear();
  for (auto& channel : plan.channels) {
    std::vector<std::shared_ptr<gridder::FacetPlan>> facets;
    auto& of_facet = gains.direction_of_facet.emplace_back();
    std::vector<std::vector<bool>> held;  // [facet][direction]
    for (const auto& facet : channel.facets) {
      std::vector<bool> seen(static_cast<size_t>(directions));
      const auto& f = facet->facet;
      for (int64_t y = std::max<int64_t>(f.y_begin, 0); y < std::min(f.y_begin + f.ny, plan.geometry.ny); ++y)
        for (int64_t x = std::max<int64_t>(f.x_begin, 0); x < std::min(f.x_begin + f.nx, plan.geometry.nx);
             ++x)
          if (const int32_t d = (*gains.map)[static_cast<size_t>(y * plan.geometry.nx + x)]; d >= 0)
            seen[static_cast<size_t>(d)] = true;
      held.push_back(std::move(seen));
    }
    for (int32_t d = 0; d < directions; ++d)
      for (size_t f = 0; f < channel.facets.size(); ++f)
        if (held[f][static_cast<size_t>(d)]) {
          facets.push_back(std::make_shared<gridder::FacetPlan>(*channel.facets[f]));
          of_facet.push_back(d);
        }
    channel.facets = std::move(facets);
    channel.summary.text += fmt::format("; {} directions, {} facets", directions, channel.facets.size());
  }
}

void key_rows(const ImagingPlan& plan, FacetGains& gains) {
  for (const auto& chunk : plan.chunks) {
    const auto set = static_cast<size_t>(chunk.spec.ms);
    const auto& lookup = *gains.lookups[set].front();
    std::vector<double> times(static_cast<size_t>(chunk.layout.rows));
    std::vector<int32_t> antennas(2 * times.size());
    plan.measurement_sets[set]->read_rows(chunk.spec, {times.data(), {chunk.layout.rows}},
                                          {antennas.data(), {chunk.layout.rows, 2}});
    auto rows = std::make_shared<std::vector<facet::RowKey>>(times.size());
    for (size_t i = 0; i < times.size(); ++i)
      (*rows)[i] = {static_cast<int32_t>(lookup.time_of(times[i])), antennas[2 * i], antennas[2 * i + 1]};
    gains.chunks.push_back({std::move(rows), std::make_shared<const std::vector<int32_t>>(
                                                 lookup.frequencies_of(*chunk.freq_hz))});
  }
}

}  // namespace fringeflow::graphs
