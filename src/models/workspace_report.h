// What a stage says of its workspace when it is done.
#pragma once

#include <cstdint>

#include "core/model.h"
#include "nn/workspace_measurement.h"

namespace greenroom::models {

// Logs how good the computed bound was and tells the stage what was used, when nobody else's bytes are in the
// figure. Returns it.
std::uint64_t tell_workspace(const char* name, const core::WorkspaceNeed& need,
                             const nn::WorkspaceMeasurement& workspace, core::PinnedStage& stage);

}  // namespace greenroom::models
