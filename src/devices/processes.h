// What the kernel says about the processes that a driver counts memory for.
#pragma once

#include <filesystem>
#include <vector>

#include "devices/device.h"

namespace greenroom::devices {

// Fills in `name` and `ours`. A process this one cannot see (of another container) keeps an empty name.
void identify(std::vector<ProcessUse>& processes, const std::filesystem::path& root = "/");

}  // namespace greenroom::devices
