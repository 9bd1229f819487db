# Shared by ./run, ./test and ./lint: installs what is missing, configures and builds. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages=(
  build-essential g++ cmake ninja-build pkg-config ccache python3
  nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libspdlog-dev libsndfile1-dev libsoxr-dev libsqlite3-dev zlib1g-dev
  libcpp-httplib-dev libssl-dev libgtest-dev libgmock-dev alsa-utils)
torch_packages=(libtorch-dev libopenblas0-pthread)
lint_packages=(clang-14 clang-format-14 clang-tidy-14)
fuzz_packages=(clang-14 libclang-rt-14-dev)
test_packages=(python3-torch)
metrics_test_packages=(prometheus)
cuda_torch_version=2.7.1  # of ./test --cuda-build; its default build is for CUDA 12.6
web_packages=(nodejs npm)
web_test_packages=(chromium fonts-noto-cjk)

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

# True when the PyTorch of python3 will be used instead of the distribution's libtorch. Asks python once.
uses_python_torch() {
  if [[ -z ${python_torch:-} ]]; then
    python_torch=no
    case ${GREENROOM_TORCH:-auto} in
      python) python_torch=yes ;;
      auto) ! python3 -c 'import sys, torch; sys.exit(torch.version.cuda is None)' 2>/dev/null || python_torch=yes ;;
    esac
  fi
  [[ $python_torch == yes ]]
}

# Node.js builds the page. Whichever is there will do, from 18 on; GREENROOM_WEB=OFF does without, and without the page.
install_web_packages() {
  [[ ${GREENROOM_WEB:-ON} != OFF ]] || return 0
  if command -v node >/dev/null && command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; then
    return 0
  fi
  install "${web_packages[@]}"
}

install_build_packages() {
  install "${build_packages[@]}"
  uses_python_torch || [[ ${GREENROOM_TORCH:-auto} == off ]] || install "${torch_packages[@]}"
}

# The official OpenAI client, which a test runs by node.
install_openai_client() {
  [[ ! -d $root/tests/openai/node_modules/openai ]] || return 0
  command -v npm >/dev/null || install nodejs npm
  say "installing the openai client of the tests"
  (cd "$root/tests/openai" && npm ci --silent >&2)
}

# build PRESET [TARGET...]: configures and builds. Says so when that takes a while, shows the output only when it
# fails.
build() {
  local preset=$1 log="$root/build/$1.log" options=() targets=()
  shift
  mkdir -p "$root/build"
  [[ -n ${GREENROOM_TORCH:-} && $preset == default ]] && options+=("-DGREENROOM_TORCH=$GREENROOM_TORCH")
  [[ -n ${GREENROOM_WEB:-} && $preset == default ]] && options+=("-DGREENROOM_WEB=$GREENROOM_WEB")
  (($#)) && targets=(--target "$@")
  { sleep 2 </dev/null >/dev/null 2>&1; say "building ($preset); the first time takes some minutes"; } &
  local notice=$! failed=
  (configure_and_build "$preset") >"$log" 2>&1 || failed=yes
  kill "$notice" 2>/dev/null || true
  wait "$notice" 2>/dev/null || true
  [[ -n $failed ]] || return 0
  tail -n 60 "$log" >&2
  say "greenroom: the build failed; all of its output is in $log"
  exit 1
}

# Part of build(), whose variables it reads; changes the folder, so it needs a subshell. Ninja configures again by
# itself when a CMake file changed.
configure_and_build() {
  cd "$root" || return
  if [[ ! -f build/$1/build.ninja ]] || ((${#options[@]})); then cmake --preset "$1" "${options[@]}" || return; fi
  cmake --build "build/$1" "${targets[@]}"
}
