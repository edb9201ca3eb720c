// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/h5parm.hpp"

#include <fmt/format.h>
#include <hdf5.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>

#include "io/atomic_file.hpp"
#include "io/error.hpp"

namespace fringeflow::io {
namespace {

/// An HDF5 identifier, closed at its end.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t), const std::string& what) : id_(id), close_(close) {
    if (id < 0) throw RunError("HDF5: " + what);
  }
  ~Handle() { close_(id_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }  // NOLINT(google-explicit-constructor)

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

void check(herr_t status, const std::string& what) {
  if (status < 0) throw RunError("HDF5: " + what);
}

/// HDF5 prints its stack of errors unless told not to.
class Quiet {
 public:
  Quiet() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Quiet() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

Handle text_type(size_t length) {
  const hid_t id = H5Tcopy(H5T_C_S1);
  if (id >= 0) H5Tset_size(id, std::max<size_t>(length, 1));
  return {id, H5Tclose, "type of a text"};
}

/// Fixed length, as PyTables and DP3 write and read them.
void text_attribute(hid_t object, const char* name, const std::string& value) {
  const Handle type = text_type(value.size() + 1), space(H5Screate(H5S_SCALAR), H5Sclose, name);
  const Handle attribute(H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose, name);
  check(H5Awrite(attribute, type, value.c_str()), name);
}

void dataset(hid_t group, const char* name, hid_t type, const std::vector<hsize_t>& extents,
             const void* values, const std::string& axes = {}) {
  const Handle space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose,
                     name);
  const Handle data(H5Dcreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose,
                    name);
  check(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), name);
  if (!axes.empty()) text_attribute(data, "AXES", axes);
}

void text_dataset(hid_t group, const char* name, const std::vector<std::string>& values, size_t least) {
  size_t length = least;
  for (const auto& value : values) length = std::max(length, value.size());
  std::string packed(values.size() * length, '\0');
  for (size_t i = 0; i < values.size(); ++i)
    std::memcpy(packed.data() + i * length, values[i].data(), values[i].size());
  dataset(group, name, text_type(length), {values.size()}, packed.data());
}

/// A table of names with a few floats each: antenna (name, position) and source (name, dir).
void named_table(hid_t group, const char* name, const char* numbers, size_t name_length,
                 const std::vector<std::string>& names, const std::vector<std::vector<float>>& values) {
  for (const auto& one : names) name_length = std::max(name_length, one.size());
  const size_t count = values.front().size(), row = name_length + 4 * count;
  const hsize_t extent = count;
  const Handle text = text_type(name_length),
               array(H5Tarray_create2(H5T_IEEE_F32LE, 1, &extent), H5Tclose, name);
  const Handle type(H5Tcreate(H5T_COMPOUND, row), H5Tclose, name);
  check(H5Tinsert(type, "name", 0, text), name);
  check(H5Tinsert(type, numbers, name_length, array), name);
  std::vector<char> packed(names.size() * row);
  for (size_t i = 0; i < names.size(); ++i) {
    std::memcpy(packed.data() + i * row, names[i].data(), names[i].size());
    std::memcpy(packed.data() + i * row + name_length, values[i].data(), 4 * count);
  }
  dataset(group, name, type, {names.size()}, packed.data());
}

Handle group_in(hid_t parent, const char* name) {
  return {H5Gcreate2(parent, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose, name};
}

/// What a file holds: tables of one or more directions; those without names have no axis dir.
struct Contents {
  std::span<const GainTable> tables;
  std::span<const std::string> names;
  std::vector<std::string> sources;
  std::vector<Direction> directions;  ///< of the sources
  const TecTable* tec = nullptr;
  std::vector<std::string> tec_names;
};

/// [time][freq][ant][dir][pol] of `value(table, index)`.
template <class Value>
std::vector<double> interleaved(std::span<const GainTable> tables, Value&& value) {
  const auto pols = static_cast<size_t>(tables.front().pols()),
             rows = static_cast<size_t>(tables.front().size()) / pols;
  std::vector<double> out;
  out.reserve(rows * pols * tables.size());
  for (size_t row = 0; row < rows; ++row)
    for (const auto& table : tables)
      for (size_t p = 0; p < pols; ++p) out.push_back(value(table, row * pols + p));
  return out;
}

void solution_table(hid_t set, const char* name, const char* title, const Contents& contents,
                    const std::vector<double>& values) {
  const GainTable& table = contents.tables.front();
  const Handle group = group_in(set, name);
  text_attribute(group, "CLASS", "GROUP");
  text_attribute(group, "VERSION", "1.0");
  text_attribute(group, "TITLE", title);
  std::vector<std::string> names;
  for (const auto& antenna : table.antennas) names.push_back(antenna.name);
  std::vector<hsize_t> extents{table.times_s.size(), table.freq_hz.size(), names.size()};
  std::string axes = "time,freq,ant";
  if (!contents.names.empty()) {
    extents.push_back(contents.names.size());
    axes += ",dir";
  }
  if (!table.polarisations.empty()) {
    extents.push_back(table.polarisations.size());
    axes += ",pol";
  }
  const auto valid =
      interleaved(contents.tables, [](const GainTable& t, size_t i) { return t.valid[i] != 0 ? 1. : 0.; });
  const std::vector<float> weight(valid.begin(), valid.end());
  dataset(group, "val", H5T_NATIVE_DOUBLE, extents, values.data(), axes);
  dataset(group, "weight", H5T_NATIVE_FLOAT, extents, weight.data(), axes);
  dataset(group, "time", H5T_NATIVE_DOUBLE, {extents[0]}, table.times_s.data());
  dataset(group, "freq", H5T_NATIVE_DOUBLE, {extents[1]}, table.freq_hz.data());
  text_dataset(group, "ant", names, 16);
  if (!contents.names.empty())
    text_dataset(group, "dir", {contents.names.begin(), contents.names.end()}, 128);
  if (!table.polarisations.empty()) text_dataset(group, "pol", table.polarisations, 2);
}

/// The file's bytes: HDF5 makes it in memory, so that AtomicFile can write it.
std::string image_of(const Contents& contents) {
  const GainTable& table = contents.tables.front();
  const TecTable* tec = contents.tec;
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "file access");
  check(H5Pset_fapl_core(access, 1 << 20, false), "a file in memory");
  const Handle file(H5Fcreate("gains.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose, "a file in memory");
  {
    const Handle set = group_in(file, "sol000");
    text_attribute(set, "CLASS", "GROUP");
    text_attribute(set, "VERSION", "1.0");
    text_attribute(set, "TITLE", "");
    text_attribute(set, "h5parm_version", "1.0");
    std::vector<std::string> names;
    std::vector<std::vector<float>> positions;
    for (const auto& antenna : table.antennas) {
      names.push_back(antenna.name);
      positions.push_back({static_cast<float>(antenna.position_m[0]),
                           static_cast<float>(antenna.position_m[1]),
                           static_cast<float>(antenna.position_m[2])});
    }
    named_table(set, "antenna", "position", 16, names, positions);
    std::vector<std::vector<float>> directions;
    for (const auto& one : contents.directions)
      directions.push_back({static_cast<float>(one.ra_rad), static_cast<float>(one.dec_rad)});
    named_table(set, "source", "dir", 128, contents.sources, directions);
    if (tec) {
      const Handle group = group_in(set, "tec000");
      text_attribute(group, "CLASS", "GROUP");
      text_attribute(group, "VERSION", "1.0");
      text_attribute(group, "TITLE", "tec");
      const std::vector<hsize_t> extents{tec->times_s.size(), names.size(), tec->directions.size()};
      dataset(group, "val", H5T_NATIVE_DOUBLE, extents, tec->tec.data(), "time,ant,dir");
      std::vector<double> weight(tec->valid.begin(), tec->valid.end());
      weight.resize(tec->tec.size(), 1);
      dataset(group, "weight", H5T_NATIVE_DOUBLE, extents, weight.data(), "time,ant,dir");
      dataset(group, "time", H5T_NATIVE_DOUBLE, {tec->times_s.size()}, tec->times_s.data());
      text_dataset(group, "ant", names, 16);
      text_dataset(group, "dir", contents.tec_names, 128);
    }
    if (table.amplitudes)
      solution_table(set, "amplitude000", "amplitude", contents,
                     interleaved(contents.tables, [](const GainTable& t, size_t i) {
                       return t.valid[i] ? std::abs(t.gains[i]) : 1.;
                     }));
    solution_table(set, "phase000", "phase", contents,
                   interleaved(contents.tables, [](const GainTable& t, size_t i) {
                     return t.valid[i] ? std::arg(t.gains[i]) : 0.;
                   }));
  }
  check(H5Fflush(file, H5F_SCOPE_GLOBAL), "a file in memory");
  const ssize_t bytes = H5Fget_file_image(file, nullptr, 0);
  if (bytes <= 0) throw RunError("HDF5: a file in memory");
  std::string image(static_cast<size_t>(bytes), '\0');
  if (H5Fget_file_image(file, image.data(), image.size()) != bytes) throw RunError("HDF5: a file in memory");
  return image;
}

std::vector<hsize_t> extents_of(hid_t data) {
  const Handle space(H5Dget_space(data), H5Sclose, "extents");
  std::vector<hsize_t> extents(static_cast<size_t>(std::max(H5Sget_simple_extent_ndims(space), 0)));
  H5Sget_simple_extent_dims(space, extents.data(), nullptr);
  return extents;
}

int64_t count_of(const std::vector<hsize_t>& extents) {
  int64_t count = 1;
  for (const hsize_t extent : extents) count *= static_cast<int64_t>(extent);
  return count;
}

Handle open_dataset(hid_t group, const std::string& name) {
  return {H5Dopen2(group, name.c_str(), H5P_DEFAULT), H5Dclose, "it has no dataset " + name};
}

std::vector<double> read_numbers(hid_t group, const std::string& name,
                                 std::vector<hsize_t>* extents = nullptr) {
  const Handle data = open_dataset(group, name);
  const auto shape = extents_of(data);
  std::vector<double> values(static_cast<size_t>(count_of(shape)));
  check(H5Dread(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
        name + " does not hold numbers");
  if (extents) *extents = shape;
  return values;
}

std::string unpadded(const char* text, size_t length) { return {text, strnlen(text, length)}; }

std::vector<std::string> read_texts(hid_t group, const std::string& name) {
  const Handle data = open_dataset(group, name), type(H5Dget_type(data), H5Tclose, name);
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) > 0)
    throw RunError("HDF5: " + name + " does not hold texts of fixed length");
  const size_t length = H5Tget_size(type);
  std::string packed(static_cast<size_t>(count_of(extents_of(data))) * length, '\0');
  check(H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, packed.data()), name);
  std::vector<std::string> values;
  for (size_t at = 0; at < packed.size(); at += length)
    values.push_back(unpadded(packed.data() + at, length));
  return values;
}

std::vector<std::string> read_axes(hid_t group) {
  const Handle data = open_dataset(group, "val");
  const Handle attribute(H5Aopen(data, "AXES", H5P_DEFAULT), H5Aclose, "val has no attribute AXES");
  const Handle type(H5Aget_type(attribute), H5Tclose, "AXES");
  if (H5Tget_class(type) != H5T_STRING) throw RunError("HDF5: AXES is not a text");
  std::string text;
  if (H5Tis_variable_str(type) > 0) {
    char* value = nullptr;
    check(H5Aread(attribute, type, &value), "AXES");
    text = value ? value : "";
    H5free_memory(value);
  } else {
    text.resize(H5Tget_size(type));
    check(H5Aread(attribute, type, text.data()), "AXES");
    text = unpadded(text.data(), text.size());
  }
  std::vector<std::string> axes(1);
  for (const char c : text) {
    if (c == ',')
      axes.emplace_back();
    else
      axes.back() += c;
  }
  return axes;
}

/// One solution table, turned to the order dir, time, freq, ant, pol.
struct Solutions {
  std::vector<double> time, freq, value, weight;
  std::vector<std::string> ant, pol, dir;
};

Solutions read_solutions(hid_t set, const std::string& name) {
  const Handle group(H5Gopen2(set, name.c_str(), H5P_DEFAULT), H5Gclose, "it has no table " + name);
  const auto axes = read_axes(group);
  std::vector<hsize_t> extents, weight_extents;
  const auto value = read_numbers(group, "val", &extents),
             weight = read_numbers(group, "weight", &weight_extents);
  if (axes.size() != extents.size() || extents != weight_extents)
    throw RunError(
        fmt::format("HDF5: {}: val, its weight and its AXES have different numbers of axes", name));
  Solutions out;
  out.ant = read_texts(group, "ant");
  std::map<std::string, std::pair<int64_t, int64_t>> along;  // extent and stride
  int64_t stride = 1;
  for (size_t i = axes.size(); i-- > 0;) {
    along[axes[i]] = {static_cast<int64_t>(extents[i]), stride};
    stride *= static_cast<int64_t>(extents[i]);
  }
  for (const auto& [axis, size] : along) {
    const bool known = axis == "time" || axis == "freq" || axis == "ant" || axis == "pol" || axis == "dir";
    if (!known)
      throw RunError(
          fmt::format("HDF5: {}: axis {} of {} entries is not understood", name, axis, size.first));
  }
  if (along.count("time")) out.time = read_numbers(group, "time");
  if (along.count("freq")) out.freq = read_numbers(group, "freq");
  if (along.count("pol")) out.pol = read_texts(group, "pol");
  if (along.count("dir")) out.dir = read_texts(group, "dir");
  const auto axis = [&](const char* key, size_t have) {
    const auto found = along.find(key);
    if (found == along.end()) return std::pair<int64_t, int64_t>{1, 0};
    if (found->second.first != static_cast<int64_t>(have))
      throw RunError(
          fmt::format("HDF5: {}: axis {} has {} entries, val has {}", name, key, have, found->second.first));
    return found->second;
  };
  const auto t = axis("time", out.time.size()), f = axis("freq", out.freq.size()),
             a = axis("ant", out.ant.size()), p = axis("pol", out.pol.size()),
             d = axis("dir", out.dir.size());
  for (int64_t h = 0; h < d.first; ++h)
    for (int64_t i = 0; i < t.first; ++i)
      for (int64_t j = 0; j < f.first; ++j)
        for (int64_t k = 0; k < a.first; ++k)
          for (int64_t l = 0; l < p.first; ++l) {
            const auto at =
                static_cast<size_t>(h * d.second + i * t.second + j * f.second + k * a.second + l * p.second);
            out.value.push_back(value[at]);
            out.weight.push_back(weight[at]);
          }
  return out;
}

/// The table of sources: names with their directions.
std::map<std::string, Direction> read_sources(hid_t set) {
  const Handle data = open_dataset(set, "source"), type(H5Dget_type(data), H5Tclose, "source");
  const int name_at = H5Tget_member_index(type, "name"), dir_at = H5Tget_member_index(type, "dir");
  if (name_at < 0 || dir_at < 0) throw RunError("HDF5: source lacks name or dir");
  const Handle text(H5Tget_member_type(type, static_cast<unsigned>(name_at)), H5Tclose, "source");
  if (H5Tget_class(text) != H5T_STRING || H5Tis_variable_str(text) > 0)
    throw RunError("HDF5: source does not hold names of fixed length");
  const size_t length = H5Tget_size(text), row = length + 2 * sizeof(double);
  const hsize_t two = 2;
  const Handle pair(H5Tarray_create2(H5T_NATIVE_DOUBLE, 1, &two), H5Tclose, "source"),
      memory(H5Tcreate(H5T_COMPOUND, row), H5Tclose, "source");
  check(H5Tinsert(memory, "name", 0, text), "source");
  check(H5Tinsert(memory, "dir", length, pair), "source");
  std::string packed(static_cast<size_t>(count_of(extents_of(data))) * row, '\0');
  check(H5Dread(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, packed.data()), "source");
  std::map<std::string, Direction> sources;
  for (size_t at = 0; at < packed.size(); at += row) {
    double direction[2];
    std::memcpy(direction, packed.data() + at + length, sizeof direction);
    sources[unpadded(packed.data() + at, length)] = {direction[0], direction[1]};
  }
  return sources;
}

DirectionalGains read_all(const std::string& path, bool directional) {
  const Quiet quiet;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) throw UserError("no such file: " + path);
  try {
    const Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "it is not an HDF5 file");
    const Handle set(H5Gopen2(file, "sol000", H5P_DEFAULT), H5Gclose, "it has no solution set sol000");
    GainTable table;
    const Solutions phase = read_solutions(set, "phase000");
    table.amplitudes = H5Lexists(set, "amplitude000", H5P_DEFAULT) > 0;
    Solutions amplitude;
    if (table.amplitudes) amplitude = read_solutions(set, "amplitude000");
    if (table.amplitudes &&
        (amplitude.time != phase.time || amplitude.freq != phase.freq || amplitude.dir != phase.dir ||
         amplitude.ant != phase.ant || amplitude.pol != phase.pol))
      throw RunError("HDF5: amplitude000 and phase000 have different axes");
    table.times_s = phase.time;
    table.freq_hz = phase.freq;
    table.polarisations = phase.pol;
    for (const auto& name : phase.ant) {
      table.antennas.emplace_back();
      table.antennas.back().name = name;
    }
    DirectionalGains out;
    if (phase.dir.size() > 1 && !directional)
      throw RunError(
          fmt::format("HDF5: it has {} directions, and gains of one are wanted", phase.dir.size()));
    if (directional && !phase.dir.empty()) {
      const auto sources = read_sources(set);
      for (const auto& name : phase.dir) {
        const auto found = sources.find(name);
        if (found == sources.end())
          throw RunError(fmt::format("HDF5: direction {} is not among its sources", name));
        out.names.push_back(name);
        out.directions.push_back(found->second);
      }
    }
    const size_t count = std::max<size_t>(phase.dir.size(), 1), each = phase.value.size() / count;
    for (size_t d = 0; d < count; ++d) {
      GainTable& one = out.tables.emplace_back(table);
      for (size_t i = d * each; i < (d + 1) * each; ++i) {
        const double size = table.amplitudes ? amplitude.value[i] : 1;
        // LoSoTo marks flagged solutions by NaN as well.
        const bool valid = phase.weight[i] > 0 && (!table.amplitudes || amplitude.weight[i] > 0) &&
                           std::isfinite(size) && std::isfinite(phase.value[i]);
        one.gains.push_back(valid ? std::polar(size, phase.value[i]) : 1.);
        one.valid.push_back(valid);
      }
      if (d < out.directions.size()) one.centre = out.directions[d];
    }
    return out;
  } catch (const RunError& error) {
    throw UserError(fmt::format("{} is not a gains file (h5parm): {}", path, error.what()));
  }
}

void write_contents(const std::string& path, const Contents& contents) {
  const Quiet quiet;
  std::string image;
  try {
    image = image_of(contents);
  } catch (const RunError& error) {
    throw RunError(fmt::format("{} cannot be written: {}", path, error.what()));
  }
  write_file(path, image);
}

}  // namespace

void write_h5parm(const std::string& path, const GainTable& table, const TecTable* tec) {
  Contents contents;
  contents.tables = {&table, 1};
  contents.sources = {"POINTING"};
  contents.directions = {table.centre};
  contents.tec = tec;
  if (tec)
    for (const auto& one : tec->directions) {
      contents.tec_names.push_back(fmt::format("DIR{:04}", contents.tec_names.size()));
      contents.sources.push_back(contents.tec_names.back());
      contents.directions.push_back(one);
    }
  write_contents(path, contents);
}

void write_h5parm(const std::string& path, const DirectionalGains& gains, const TecTable* tec) {
  Contents contents;
  contents.tables = gains.tables;
  contents.names = gains.names;
  contents.sources = contents.tec_names = gains.names;
  contents.directions = gains.directions;
  contents.tec = tec;
  write_contents(path, contents);
}

GainTable read_h5parm(const std::string& path) { return std::move(read_all(path, false).tables.front()); }

DirectionalGains read_directional_h5parm(const std::string& path) { return read_all(path, true); }

}  // namespace fringeflow::io
