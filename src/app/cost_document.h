// What was learnt of loads and of runs' workspace, as a JSON text: how it is kept.
#pragma once

#include <string>
#include <vector>

#include "core/history.h"
#include "core/profile.h"

namespace greenroom::app {

std::string to_document(const std::vector<core::LearntLoad>& loads);

// Throws base::Error(kDataLoss) saying what is wrong.
std::vector<core::LearntLoad> learnt_loads_from(const std::string& document);

std::string to_document(const std::vector<core::LearntWorkspace>& workspace);

// Throws as above.
std::vector<core::LearntWorkspace> learnt_workspace_from(const std::string& document);

}  // namespace greenroom::app
