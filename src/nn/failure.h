// What libtorch and CUDA throw, as our errors; and which devices an error has made useless.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "base/device_id.h"
#include "base/error.h"

namespace greenroom::nn {

// `thrown` (a c10::Error or std::bad_alloc) while `what` was being done on `device`:
//
//   kResourceExhausted  memory could not be had, of the device, of the system, or of a library's own pool
//   kUnavailable        an error that stays with this process: `device` is marked as lost
//   kInternal           anything else
//
// What is none of these two comes back out as it is: a base::Error, a bug.
base::Error failure_of(std::string_view what, base::DeviceId device, const std::exception_ptr& thrown);

// Does the text of a CUDA error tell of one after which the process cannot use the device any more (an
// illegal access, a failed launch, a memory error, a GPU that is gone)?
bool stays(std::string_view cuda_error);

// CUDA devices that this process cannot use any more, and the error that each was lost with (the first).
// Thread-safe.
void mark_device_lost(int index, const std::string& why);
std::optional<std::string> device_loss(int index);
// Throws base::Error(kUnavailable) when `device` is lost.
void check_device_kept(base::DeviceId device);

}  // namespace greenroom::nn
