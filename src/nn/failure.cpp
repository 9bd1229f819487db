#include "nn/failure.h"

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <map>
#include <new>

#include "base/bytes.h"
#include "base/mutex.h"
#include "nn/guard.h"

namespace greenroom::nn {
namespace {

using base::Error;
using base::ErrorCode;

// cudaGetErrorString() of the errors of which the CUDA runtime's documentation says that the process has to
// be ended before CUDA can be used again, and of those that tell of a GPU that is gone.
constexpr std::array<std::string_view, 16> kLasting = {
    "an illegal memory access was encountered",
    "unspecified launch failure",
    "an illegal instruction was encountered",
    "misaligned address",
    "operation not supported on global/shared address space",
    "invalid program counter",
    "hardware stack error",
    "device-side assert triggered",
    "the launch timed out and was terminated",
    "uncorrectable ECC error encountered",
    "uncorrectable NVLink error detected during the execution",
    "unknown error",
    "the device is lost",
    "GPU is lost",
    "Invalid access of peer GPU memory over nvlink or a hardware error",
    "external device error",
};
// libtorch's words and its CUDA libraries' for a lack of memory where the type of the error does not say so.
// cuBLAS says "not initialized" when there is no memory for its handle.
constexpr std::array<std::string_view, 6> kNoMemory = {
    "out of memory",
    "can't allocate",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUFFT_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
};

template <std::size_t N>
bool has_one_of(std::string_view text, const std::array<std::string_view, N>& phrases) {
  return std::any_of(phrases.begin(), phrases.end(),
                     [&](std::string_view phrase) { return text.find(phrase) != std::string_view::npos; });
}

// libtorch adds advice for its own users below the first line.
std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

Error out_of_memory(std::string_view what, base::DeviceId device, const std::string& text) {
  if (device.kind == base::DeviceKind::kCpu) {
    return {ErrorCode::kResourceExhausted, fmt::format("{}: {}", what, text)};
  }
  return {ErrorCode::kResourceExhausted,
          fmt::format("{}: {} had no memory left in spite of what was reserved: {}", what,
                      base::to_string(device), first_line(text))};
}

Error lost(base::DeviceId device, std::string_view why) {
  return {ErrorCode::kUnavailable,
          fmt::format("{} cannot be used by this process any more after \"{}\"; it has to be started again",
                      base::to_string(device), why)};
}

Error from_torch(std::string_view what, base::DeviceId device, const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr || has_one_of(text, kNoMemory)) {
    return out_of_memory(what, device, text);
  }
  const bool is_cuda = device.kind == base::DeviceKind::kCuda && text.find("CUDA") != std::string::npos;
  if (is_cuda && stays(text)) {
    mark_device_lost(device.index, fmt::format("{}: {}", what, first_line(text)));
    return lost(device, fmt::format("{}: {}", what, first_line(text)));
  }
  return {ErrorCode::kInternal, fmt::format("{}: {}", what, text)};
}

// Never destroyed: a run may end late.
struct Losses {
  base::Mutex mutex;
  std::map<int, std::string> why GUARDED_BY(mutex);
};

Losses& losses() {
  static auto* const kLosses = new Losses;
  return *kLosses;
}

}  // namespace

bool stays(std::string_view cuda_error) {
  return has_one_of(cuda_error, kLasting);
}

Error failure_of(std::string_view what, base::DeviceId device, const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    return {ErrorCode::kResourceExhausted,
            fmt::format("{}: the system has no memory left ({} in use by this run); use a shorter recording "
                        "or a machine with more memory",
                        what, base::format_bytes(WorkspaceMeter::current_bytes()))};
  } catch (const c10::Error& error) {
    return from_torch(what, device, error);
  }
}

void mark_device_lost(int index, const std::string& why) {
  Losses& all = losses();
  const base::MutexLock lock(all.mutex);
  all.why.emplace(index, why);
}

std::optional<std::string> device_loss(int index) {
  Losses& all = losses();
  const base::MutexLock lock(all.mutex);
  const auto found = all.why.find(index);
  if (found == all.why.end()) return std::nullopt;
  return found->second;
}

void check_device_kept(base::DeviceId device) {
  if (device.kind != base::DeviceKind::kCuda) return;
  if (const auto why = device_loss(device.index)) throw lost(device, *why);
}

}  // namespace greenroom::nn
