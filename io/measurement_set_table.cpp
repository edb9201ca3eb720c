// SPDX-License-Identifier: GPL-3.0-or-later
// casacore's tables as we use them: opening, how columns are stored, whether their files are whole, geometry
// of UVW.
#include "io/measurement_set_impl.hpp"

#include <casacore/casa/Logging/LogFilter.h>
#include <casacore/casa/Logging/LogSink.h>
#include <casacore/casa/Logging/NullLogSink.h>
#include <casacore/tables/DataMan/IncrStManAccessor.h>
#include <casacore/tables/DataMan/StandardStManAccessor.h>
#include <casacore/tables/DataMan/TSMOption.h>
#include <casacore/tables/DataMan/TiledStManAccessor.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

namespace fringeflow::io::detail {
namespace {

namespace fs = std::filesystem;
using casacore::Table;

/// Type and file number of the storage manager of a column.
struct Storage {
  std::string type;
  int64_t file = -1;
};

Storage storage_of(const Table& table, const std::string& column) {
  const casacore::Record managers = table.dataManagerInfo();
  for (casacore::uInt i = 0; i < managers.nfields(); ++i) {
    const auto manager = managers.subRecord(i);
    const auto columns = manager.asArrayString("COLUMNS").tovector();
    if (std::find(columns.begin(), columns.end(), column) == columns.end()) continue;
    Storage storage;
    storage.type = manager.asString("TYPE");
    if (manager.isDefined("SEQNR")) storage.file = static_cast<int64_t>(manager.asuInt("SEQNR"));
    return storage;
  }
  return {};
}

bool is_tiled(const Storage& storage) { return storage.type.starts_with("Tiled"); }

uint32_t number_at(const char* bytes, bool big_endian) {
  unsigned char b[4];
  std::memcpy(b, bytes, 4);
  if (big_endian) std::reverse(b, b + 4);
  return static_cast<uint32_t>(b[0]) | static_cast<uint32_t>(b[1]) << 8 | static_cast<uint32_t>(b[2]) << 16 |
         static_cast<uint32_t>(b[3]) << 24;
}

[[noreturn]] void truncated(const std::string& set_path, const std::string& file, uintmax_t size,
                            uint64_t expected) {
  throw RunError(
      fmt::format("{} is truncated: its file {} has {} bytes and ought to have {}; copy the set again",
                  in_quotes(set_path), file, size, expected));
}

/// Bytes that the header of a StandardStMan or IncrementalStMan file (512 bytes, then buckets) promises; 0 if
/// it is another file.
uint64_t promised_bytes(const fs::path& file) {
  char head[64] = {};
  std::ifstream(file, std::ios::binary).read(head, sizeof head);
  if (std::memcmp(head, "\xbe\xbe\xbe\xbe", 4) != 0) return 0;
  for (const char* type : {"StandardStMan", "IncrementalStMan"}) {
    const size_t length = std::strlen(type);
    if (std::memcmp(head + 12, type, length) != 0) continue;
    const bool big = number_at(head + 8, true) == length;
    const char* at = head + 12 + length;
    const uint32_t version = number_at(at, big);
    if (version < (length == 13 ? 3u : 5u)) return 0;
    at += 4 + 1;  // version and flag of the byte order
    return 512 + uint64_t{number_at(at, big)} * number_at(at + 4, big);
  }
  return 0;
}

}  // namespace

void quieten_casacore() {
  static std::once_flag once;
  std::call_once(once, [] {
    casacore::LogSinkInterface* sink =
        new casacore::NullLogSink(casacore::LogFilter(casacore::LogMessage::SEVERE));
    casacore::LogSink::globalSink(sink);
  });
}

std::shared_ptr<std::mutex> table_mutex(const std::string& path) {
  static std::mutex guard;
  static std::map<std::string, std::shared_ptr<std::mutex>> mutexes;
  std::error_code error;
  const auto real = fs::weakly_canonical(path, error);
  const std::lock_guard lock(guard);
  auto& mutex = mutexes[error ? path : real.string()];
  if (!mutex) mutex = std::make_shared<std::mutex>();
  return mutex;
}

std::string in_quotes(const std::string& path) { return "'" + path + "'"; }

Table open_table(const std::string& path, const std::string& what, bool update) {
  using casacore::TableLock;
  return translated(what + " cannot be opened", [&] {
    // Maps would count as our memory and hide reads; no read locks, so that sets on read-only disks open.
    const casacore::TSMOption option(casacore::TSMOption::Cache, 0, 0);
    // casacore rethrows without an exception at hand when a description names an unknown type of column,
    // which would end the program. Inside a handler it rethrows this one.
    try {
      throw RunError(what + " cannot be opened: its table.dat is damaged");
    } catch (const RunError&) {
      return update ? Table(path, TableLock(TableLock::PermanentLocking), Table::Update, option)
                    : Table(path, TableLock(TableLock::AutoNoReadLocking), Table::Old, option);
    }
  });
}

void check_space(const std::string& folder, const std::string& set_path, uint64_t bytes) {
  std::error_code error;
  const auto space = fs::space(fs::absolute(folder, error), error);
  if (error || space.available >= bytes) return;
  throw RunError(fmt::format("{} cannot be written: it needs {:.1f} MB of disk space, {:.1f} MB are left",
                             in_quotes(set_path), static_cast<double>(bytes) / 1e6,
                             static_cast<double>(space.available) / 1e6));
}

void check_flush(const std::string& folder, const std::string& set_path) {
  const std::string probe = fmt::format("{}/.fringeflow-probe-{}", folder, getpid());
  bool good = false;
  {
    std::ofstream file(probe, std::ios::binary);
    const std::vector<char> zeros(256 << 10);
    file.write(zeros.data(), static_cast<std::streamsize>(zeros.size()));
    file.close();
    good = file.good();
  }
  std::error_code ignored;
  fs::remove(probe, ignored);
  if (!good)
    throw RunError(in_quotes(set_path) +
                   " cannot be written: no space left on the disk, or no right to write");
}

void abandon(std::shared_ptr<void> object) noexcept {
  static std::mutex guard;
  static auto& kept = *new std::vector<std::shared_ptr<void>>;  // never destroyed
  const std::lock_guard lock(guard);
  kept.push_back(std::move(object));
}

void check_file_sizes(const std::string& table_path, const std::string& set_path) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(table_path, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("table.f") || name.size() < 8 ||
        !std::all_of(name.begin() + 7, name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      continue;
    }
    const uint64_t expected = promised_bytes(entry.path());
    const auto size = entry.file_size(error);
    if (!error && size < expected)
      truncated(set_path, table_path == set_path ? name : entry.path().string(), size, expected);
  }
}

void check_column_size(const Table& table, const std::string& column, const std::string& set_path) {
  const Storage storage = storage_of(table, column);
  if (storage.file < 0 || table.tableType() != Table::Plain) return;
  const std::string base = "table.f" + std::to_string(storage.file);
  const fs::path folder = std::string(table.tableName());
  std::error_code error;
  if (is_tiled(storage)) {
    const casacore::ROTiledStManAccessor accessor(table, column, true);
    uint64_t expected = 0, size = 0;
    for (casacore::uInt cube = 0; cube < accessor.nhypercubes(); ++cube) {
      const auto &shape = accessor.getHypercubeShape(cube), &tile = accessor.getTileShape(cube);
      if (shape.empty() || shape.nelements() != tile.nelements()) continue;
      uint64_t tiles = 1;
      for (casacore::uInt axis = 0; axis < shape.nelements(); ++axis) {
        tiles *= static_cast<uint64_t>((shape[axis] + tile[axis] - 1) / std::max<ssize_t>(tile[axis], 1));
      }
      expected += tiles * accessor.getBucketSize(cube);
    }
    std::string first;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(base + "_TSM")) continue;
      if (first.empty() || name.back() != '0') first = name;
      size += entry.file_size(error);
    }
    // No file of its own: a multi-file table.
    if (!first.empty() && size < expected) truncated(set_path, first, size, expected);
  } else if (storage.type == "DyscoStMan") {
    // Header: sizes of header and column headers, columns, length of the name, name, rows per block,
    // antennas, bytes per block.
    char head[512] = {};
    const fs::path file = folder / base;
    std::ifstream(file, std::ios::binary).read(head, sizeof head);
    const uint32_t header = number_at(head, false), length = number_at(head + 12, false);
    if (length > 400) return;
    const uint64_t rows = number_at(head + 16 + length, false), block = number_at(head + 24 + length, false);
    const auto size = fs::file_size(file, error);
    if (error || rows == 0) return;
    // The last block may be cut short.
    const uint64_t blocks = (table.nrow() + rows - 1) / rows,
                   expected = header + (blocks ? blocks - 1 : 0) * block;
    if (size <= expected) truncated(set_path, base, size, expected + 1);
  }
}

Tiling tiling_of(const Table& table, const std::string& column) {
  Tiling tiling;
  if (table.tableType() != Table::Plain || !is_tiled(storage_of(table, column))) return tiling;
  const casacore::ROTiledStManAccessor accessor(table, column, true);
  ssize_t most = 0;
  for (casacore::uInt cube = 0; cube < accessor.nhypercubes(); ++cube) {
    const auto &shape = accessor.getHypercubeShape(cube), &tile = accessor.getTileShape(cube);
    if (shape.empty() || tile.empty() || shape.last() <= most) continue;
    most = shape.last();
    tiling.tiled = true;
    tiling.shape = tile;
    tiling.tile_bytes = accessor.getBucketSize(cube);
    tiling.rows = shape.last() == static_cast<ssize_t>(table.nrow()) ? std::max<int64_t>(tile.last(), 1) : 1;
  }
  return tiling;
}

int64_t bound_tile_cache(const Table& table, const std::string& column, int64_t bytes) {
  if (table.tableType() != Table::Plain || !is_tiled(storage_of(table, column))) return 0;
  casacore::ROTiledStManAccessor accessor(table, column, true);
  int64_t total = 0;
  for (casacore::uInt cube = 0; cube < accessor.nhypercubes(); ++cube) {
    const auto &shape = accessor.getHypercubeShape(cube), &tile = accessor.getTileShape(cube);
    if (shape.empty() || tile.empty() || shape.nelements() != tile.nelements() || shape.last() == 0) continue;
    int64_t per_row = 1;
    for (casacore::uInt axis = 0; axis + 1 < shape.nelements(); ++axis)
      per_row *= (shape[axis] + tile[axis] - 1) / std::max<ssize_t>(tile[axis], 1);
    const int64_t bucket = std::max<int64_t>(accessor.getBucketSize(cube), 1);
    const int64_t buckets = std::max(per_row, bytes / bucket);
    accessor.setHypercubeCacheSize(cube, static_cast<casacore::uInt>(buckets));
    total += buckets * bucket;
  }
  return total;
}

int64_t widen_bucket_caches(const Table& table, const std::vector<std::string>& columns, int64_t bytes) {
  if (table.tableType() != Table::Plain) return 0;
  int64_t total = 0;
  const casacore::Record managers = table.dataManagerInfo();
  for (casacore::uInt i = 0; i < managers.nfields(); ++i) {
    const auto manager = managers.subRecord(i);
    const auto held = manager.asArrayString("COLUMNS").tovector();
    const auto used = std::find_first_of(columns.begin(), columns.end(), held.begin(), held.end(),
                                         [](const std::string& a, const std::string& b) { return a == b; });
    const auto type = manager.asString("TYPE");
    if (used == columns.end() || !manager.isDefined("SPEC") ||
        !manager.subRecord("SPEC").isDefined("BUCKETSIZE"))
      continue;
    const int64_t bucket = std::max(manager.subRecord("SPEC").asInt("BUCKETSIZE"), 1);
    const auto buckets = static_cast<casacore::uInt>(std::max<int64_t>(bytes / bucket, 2));
    if (type == "StandardStMan") {
      casacore::ROStandardStManAccessor(table, *used, true).setCacheSize(buckets, false);
    } else if (type == "IncrementalStMan") {
      casacore::ROIncrementalStManAccessor(table, *used, true).setCacheSize(buckets, false);
    } else {
      continue;
    }
    total += buckets * bucket;
  }
  return total;
}

bool same_direction(const Direction& a, const Direction& b) {
  // 2 microarcseconds: less than a pixel of any array, more than the rounding of any writer.
  const double tolerance = 1e-11;
  return std::abs(std::remainder(a.ra_rad - b.ra_rad, 2 * M_PI)) * std::cos(a.dec_rad) < tolerance &&
         std::abs(a.dec_rad - b.dec_rad) < tolerance;
}

Rotation rotation_between(const Direction& from, const Direction& to) {
  // Rows: the directions of u (east), v (north) and w (the centre) in equatorial coordinates.
  const auto frame = [](const Direction& d) -> Rotation {
    const double sa = std::sin(d.ra_rad), ca = std::cos(d.ra_rad), sd = std::sin(d.dec_rad),
                 cd = std::cos(d.dec_rad);
    return {{{-sa, ca, 0}, {-sd * ca, -sd * sa, cd}, {cd * ca, cd * sa, sd}}};
  };
  const Rotation a = frame(from), b = frame(to);
  Rotation r{};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      for (size_t k = 0; k < 3; ++k) r[i][j] += b[i][k] * a[j][k];
    }
  }
  return r;
}

int64_t count_rows(const RowRanges& ranges) {
  int64_t rows = 0;
  for (const auto& [begin, end] : ranges) rows += end - begin;
  return rows;
}

void RowBlock::reserve(int64_t n) {
  if (n <= capacity) return;
  const auto size = static_cast<size_t>(n);
  antenna1.resize(size);
  antenna2.resize(size);
  field.resize(size);
  data_desc.resize(size);
  flag_row = std::make_unique<bool[]>(size);
  time.resize(size);
  uvw.resize(3 * size);
  capacity = n;
}

}  // namespace fringeflow::io::detail
