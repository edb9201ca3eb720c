// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Catalogues of others: tables of any columns (CSV, FITS binary tables, VOTables) and a mapping that says which column is what.
#include <string>
#include <vector>

#include "io/catalogue.hpp"

namespace fringeflow::io {

/// Columns of a table as text; cells that are null or not finite are empty.
struct CatalogueTable {
  struct Column {
    std::string name, unit;
    std::vector<std::string> cells;
  };
  std::string path;
  std::vector<Column> columns;
  int64_t rows() const { return columns.empty() ? 0 : static_cast<int64_t>(columns.front().cells.size()); }
};

/// Reads FILE.csv (first line: names), the first binary table of FILE.fits / .fit / .fits.gz, or the first table of FILE.vot / .votable / .xml
/// (TABLEDATA). Throws UserError naming the file and what is wrong.
CatalogueTable read_table(const std::string& path);
/// True when the file has a binary table, as far as one can open it.
bool has_fits_table(const std::string& path);

/// Sources of a table. `mapping` is "KEY=COLUMN,KEY=COLUMN*FACTOR,KEY=NUMBER,…" with the names of a CSV catalogue's columns as keys;
/// those that it leaves out are looked for under their own names. Units that a table names (deg, rad, arcsec, mas, Jy, mJy, MHz, …)
/// are converted; right ascensions and declinations may be sexagesimal text. Empty cells of optional columns are 0, the spectrum
/// of a source without an index is flat. Throws UserError: a column that the table lacks, a row without position or flux, an unknown
/// unit.
std::vector<CatalogueSource> sources_of(const CatalogueTable& table, const std::string& mapping);

}  // namespace fringeflow::io
