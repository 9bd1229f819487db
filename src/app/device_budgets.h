// The machine's devices as the manager is told of them.
#pragma once

#include <vector>

#include "app/config.h"
#include "app/model_runtime.h"
#include "core/manager.h"
#include "devices/discover.h"

namespace greenroom::app {

// Every device with its budget (the configured one, else all of it), the share of it that may be used, and a
// host that reads it. Borrows everything. Throws base::Error for a budget on a device that is not there.
std::vector<core::DeviceBudget> make_budgets(const Config& config, const devices::Discovery& discovery,
                                             const ModelRuntime& runtime, const base::Clock& clock);

// `host`: the CPU, whose memory's share the images of weights may take when the settings do not say.
core::ManagerOptions make_manager_options(const Config& config, const devices::Device& host);

}  // namespace greenroom::app
