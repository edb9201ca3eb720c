// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// PREFIX-run/: what a run leaves beside its products, enough to repeat it and to compare it.
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace fringeflow::io {

/// CPU model, cores of the machine, CPUs that this process may use, memory and the limit of its control group
/// (bytes; null: none), kernel and host name.
nlohmann::json machine_info();

/// Versions of the libraries in use: casacore, cfitsio, wcslib, hdf5, fftw.
nlohmann::json library_versions();

/// The memory that this process may use: the smaller of the machine's and the limits of its control groups,
/// bytes.
int64_t memory_limit_bytes();

class RunDirectory {
 public:
  /// Makes PREFIX-run/ with the folders above it. Throws RunError naming it when that fails.
  explicit RunDirectory(const std::string& prefix);
  /// A folder that it made and that is still empty goes.
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::string& path() const { return path_; }
  /// PREFIX-run/NAME.
  std::string file(std::string_view name) const;

  /// Writes PREFIX-run/NAME, whole or not at all. Throws RunError.
  void write_text(std::string_view name, std::string_view text) const;
  void write_json(std::string_view name, const nlohmann::json& value) const;

  /// Writes machine.json and versions.json; `versions` maps names (fringeflow, starpu, …) to versions, the
  /// libraries of library_versions() are added.
  void write_environment(nlohmann::json versions) const;

 private:
  std::string path_;
  bool made_ = false;
};

}  // namespace fringeflow::io
