// The settings of the section "gpu" that may change while greenroom runs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace greenroom::app {

struct GpuSettings {
  bool auto_cleanup_enabled = true;       // may the caretaker free what is idle?
  double cleanup_threshold_percent = 85;  // of a device in use: above it, idle components go at once
  double idle_timeout_minutes = 30;       // after it, a model that nobody holds goes

  bool operator==(const GpuSettings&) const = default;
};

// "auto_cleanup_enabled" and so on: the names in the configuration file, without the section.
std::vector<std::string> gpu_setting_names();

// Sets one from its text. False when there is none of that name. Throws base::Error(kInvalidArgument):
// "`label` is
// \"x\"; it must be a number from 0 to 100".
bool set_gpu_setting(GpuSettings& settings, std::string_view name, const std::string& text,
                     const std::string& label);
// Its text; nullopt when there is none of that name.
std::optional<std::string> gpu_setting(const GpuSettings& settings, std::string_view name);

}  // namespace greenroom::app
