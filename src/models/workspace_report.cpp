#include "models/workspace_report.h"

#include <spdlog/fmt/fmt.h>

#include "base/bytes.h"
#include "base/log.h"

namespace greenroom::models {

std::uint64_t tell_workspace(const char* name, const core::WorkspaceNeed& need,
                             const nn::WorkspaceMeasurement& workspace, core::PinnedStage& stage) {
  const std::uint64_t used = workspace.peak_bytes();
  const bool is_exact = workspace.is_exact();
  base::log(base::LogLevel::kDebug, "models",
            fmt::format("{}: workspace {} computed, {} used at most{}", name, base::format_bytes(need.bytes),
                        base::format_bytes(used), is_exact ? "" : " (by several runs together)"));
  if (is_exact) stage.measured(used);
  return used;
}

}  // namespace greenroom::models
