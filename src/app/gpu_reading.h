// What a CUDA device says of its memory, put together from the driver's figures and libtorch's.
#pragma once

#include "app/context_cost.h"
#include "core/host.h"
#include "devices/device.h"
#include "models/library.h"

namespace greenroom::app {

// `library` may be null: nothing on the device is ours then. Throws base::Error when the device cannot be
// read.
core::DeviceReading read_gpu(const devices::Device& device, const models::Library* library,
                             ContextCost& context);

}  // namespace greenroom::app
