# Shared by ./run, ./test and ./lint: installs what is missing, configures and builds. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages=(
  build-essential g++ cmake ninja-build pkg-config ccache python3
  nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libspdlog-dev libsndfile1-dev libsoxr-dev zlib1g-dev
  libcpp-httplib-dev libgtest-dev libgmock-dev alsa-utils)
torch_packages=(libtorch-dev libopenblas0-pthread)
lint_packages=(clang-14 clang-format-14 clang-tidy-14)

say() { printf '%s\n' "$*" >&2; }

# install PACKAGE...: only what is missing, so a second call needs no network.
install() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ! command -v apt-get >/dev/null; then
    say "greenroom: these packages are missing and this is no Debian system: ${missing[*]}"
    exit 1
  fi
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { say "greenroom: run as root, or install sudo, to install: ${missing[*]}"; exit 1; }
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# True when the PyTorch of python3 will be used instead of the distribution's libtorch.
uses_python_torch() {
  [[ ${GREENROOM_TORCH:-auto} == python ]] && return 0
  [[ ${GREENROOM_TORCH:-auto} == auto ]] &&
    python3 -c 'import sys, torch; sys.exit(torch.version.cuda is None)' 2>/dev/null
}

install_build_packages() {
  install "${build_packages[@]}"
  uses_python_torch || [[ ${GREENROOM_TORCH:-auto} == off ]] || install "${torch_packages[@]}"
}

# build PRESET [TARGET...]: configures and builds; shows the output only when it fails.
build() {
  local preset=$1 log="$root/build/$1.log"
  shift
  mkdir -p "$root/build"
  local options=()
  [[ -n ${GREENROOM_TORCH:-} && $preset == default ]] && options+=("-DGREENROOM_TORCH=$GREENROOM_TORCH")
  local targets=()
  (($#)) && targets=(--target "$@")
  if [[ ! -x $root/build/$preset/bin/greenroom && $preset == default ]]; then
    say "building greenroom; the first time takes some minutes"
  fi
  if ! (cd "$root" && cmake --preset "$preset" "${options[@]}" && cmake --build "build/$preset" "${targets[@]}") >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    say "greenroom: the build failed; all of its output is in $log"
    exit 1
  fi
}
