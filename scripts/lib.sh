# Shared by the scripts in this folder; sourced, never run.
# Everything a script says goes to stderr, so that stdout stays free for answers (paths) and test output.

repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache_root=${FRINGEFLOW_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fringeflow}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "error: $*"; exit 1; }

# Prints the leading comment block of the calling script as its help text.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//;t p;b;:p;p}' "$0"; }

# as_root COMMAND...: runs it as root, through sudo when we are not root.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "need root for: $* (no sudo here); run that as root, then run this again"; fi
}

# Cores that this process may use, and the parallel jobs that memory allows (C++ units here take up to 2 GiB).
build_jobs() {
  local cores gib
  cores=$(nproc)
  gib=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo)
  local by_memory=$(( gib / 2 > 0 ? gib / 2 : 1 ))
  echo $(( cores < by_memory ? cores : by_memory ))
}

# configure_and_build PRESET [TARGET...]: CMake configure and build of one preset against our StarPU.
configure_and_build() {
  local preset=$1; shift
  local prefix prefix_simgrid simgrid=()
  prefix=$("$repo_root/scripts/setup" --starpu-prefix)
  # Forecasts by StarPU itself are a part of the program where its simulated build is there.
  if [ "$preset" = release ] && prefix_simgrid=$("$repo_root/scripts/setup" --simgrid --starpu-prefix 2>/dev/null); then
    simgrid=(-DSTARPU_SIMGRID_PREFIX="$prefix_simgrid")
  fi
  say "configuring preset '$preset' (StarPU in $prefix)"
  if command -v ccache >/dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_CUDA_COMPILER_LAUNCHER=ccache
    export CCACHE_BASEDIR=$repo_root CCACHE_NOHASHDIR=1  # another clone of the same source finds what this one compiled
  fi
  cmake --preset "$preset" -S "$repo_root" -DSTARPU_PREFIX="$prefix" "${simgrid[@]}" >&2
  say "building in build/$preset with $(build_jobs) jobs"
  local targets=()
  [ $# -eq 0 ] || targets=(--target "$@")
  cmake --build "$repo_root/build/$preset" --parallel "$(build_jobs)" "${targets[@]}" >&2
}
