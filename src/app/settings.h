// The settings that can be changed while greenroom runs, by the names they have in the configuration file.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/json.h"

namespace greenroom::app {

struct Setting {
  enum class Type { kSwitch, kNumber, kWholeNumber, kChoice };
  std::string name;  // "gpu.idle_timeout_minutes"
  Type type = Type::kNumber;
  double low = 0, high = 0;          // of numbers
  std::vector<std::string> choices;  // of a choice
  std::string unit;                  // "minutes", "%"; empty: none
  std::string description;
  bool live = true;  // holds at once; else from the next start on
  std::function<base::Json(const Config&)> get;
  std::function<void(Config&, const base::Json&)> put;  // unchecked

  // Throws base::Error(kInvalidArgument) naming the setting, the value, and what is possible.
  void check(const base::Json& value) const;
};

// "switch", "number", "whole_number", "choice".
std::string_view setting_type_name(Setting::Type type);

// In the order in which they are shown.
const std::vector<Setting>& all_settings();
const Setting* find_setting(std::string_view name);

// One setting as it is now.
struct SettingState {
  const Setting* setting = nullptr;
  base::Json value, standard;  // standard: as configured
  bool kept = false;           // was changed while greenroom ran
};

// Values by name; null resets to what is configured.
using SettingChanges = std::map<std::string, base::Json>;

// As it is kept on disk, and back. The latter throws base::Error(kInvalidArgument).
std::string to_text(const base::Json& value);
base::Json from_text(const Setting& setting, const std::string& text);

}  // namespace greenroom::app
