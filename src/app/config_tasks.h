// The section `tasks` of a configuration file. Used by config.cpp only.
#pragma once

#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <vector>

#include "core/task_profiles.h"

namespace greenroom::app {

// A map from task names to {required, optional, memory_limit_mb, auto_cleanup}; models are paths, relative to
// the file, or maps {path, type, device, priority}. Throws base::Error(kInvalidArgument) naming file and key.
std::vector<core::TaskProfile> read_tasks(const std::filesystem::path& file, const YAML::Node& section);

}  // namespace greenroom::app
