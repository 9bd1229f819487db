// What was learnt of loads and of runs' workspace, as a JSON text: how it is kept.
#pragma once

#include <optional>
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

// What `document` says (nullopt, or damaged: nothing), with what this process learnt between `before` and
// `now`: so that processes that share a file add to it instead of replacing it. The uses of what is bounded
// in number decide who goes, see History::kMost and WorkspaceProfile.
std::string merged_loads(const std::optional<std::string>& document,
                         const std::vector<core::LearntLoad>& before,
                         const std::vector<core::LearntLoad>& now);
std::string merged_workspace(const std::optional<std::string>& document,
                             const std::vector<core::LearntWorkspace>& before,
                             const std::vector<core::LearntWorkspace>& now);

}  // namespace greenroom::app
