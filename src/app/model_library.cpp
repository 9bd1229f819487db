#include "app/model_library.h"

#include <dlfcn.h>
#include <spdlog/fmt/fmt.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/error.h"

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

constexpr const char* kFileName = "libgreenroom_models.so";

std::atomic<const models::Library*> opened{nullptr};

fs::path find_library() {
  std::vector<fs::path> candidates;
  if (const char* named = std::getenv("GREENROOM_MODELS_LIBRARY"); named != nullptr && *named != 0) {
    candidates.emplace_back(named);
  } else {
    // Beside this code, which may be a library in somebody else's program; then where builds and
    // installations have it, seen from the program.
    ::Dl_info ours{};
    if (::dladdr(reinterpret_cast<const void*>(&prepare_thread_pool), &ours) != 0 &&
        ours.dli_fname != nullptr) {
      candidates.push_back(fs::absolute(ours.dli_fname).parent_path() / kFileName);
    }
    std::error_code ignored;
    const fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
    candidates.push_back(folder / kFileName);
    candidates.push_back(folder / ".." / "lib" / kFileName);
    candidates.push_back(folder / ".." / GREENROOM_INSTALL_LIBDIR / kFileName);
  }
  std::string tried;
  for (const auto& candidate : candidates) {
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) return candidate;
    tried += fmt::format("\n  {}", candidate.lexically_normal().string());
  }
  throw Error(
      ErrorCode::kFailedPrecondition,
      fmt::format(
          "the models library was not found; looked for it at{}\nWas this program built without libtorch? "
          "Install libtorch-dev and libopenblas0-pthread and build again, or point GREENROOM_MODELS_LIBRARY "
          "at the library",
          tried));
}

const models::Library* open_library() {
  const fs::path path = find_library();
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    throw Error(
        ErrorCode::kFailedPrecondition,
        fmt::format(
            "{}: cannot be loaded: {}. Is the libtorch it was built with still installed (libtorch1.13 and "
            "libopenblas0-pthread, or the PyTorch of python3)?",
            path.string(), ::dlerror()));
  }
  using Entry = const models::Library* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(handle, "greenroom_models_library"));
  if (entry == nullptr) {
    throw Error(ErrorCode::kFailedPrecondition,
                fmt::format("{}: not greenroom's models library", path.string()));
  }
  return entry();
}

}  // namespace

bool prepare_thread_pool() {
  constexpr int kKeepWhatIsSet = 0;
  const bool is_too_late = std::getenv("OMP_WAIT_POLICY") == nullptr;
  ::setenv("OMP_WAIT_POLICY", "passive", kKeepWhatIsSet);
  // 2^4 cycles before a thread of OpenBLAS sleeps, its least, instead of 2^26.
  ::setenv("OPENBLAS_THREAD_TIMEOUT", "4", kKeepWhatIsSet);
  return is_too_late;
}

const models::Library& model_library() {
  static const models::Library* const library = open_library();  // tried again when it threw
  opened.store(library);
  return *library;
}

const models::Library* opened_model_library() {
  return opened.load();
}

}  // namespace greenroom::app
