#include "devices/device.h"

namespace greenroom::devices {

// The bits are NVML's nvmlClocksEventReasons.
std::vector<std::string_view> throttle_reason_names(std::uint64_t reasons) {
  constexpr struct {
    std::uint64_t bit;
    std::string_view name;
  } kNames[] = {
      {0x2, "application_clocks"},    {0x4, "power_cap"},         {0x8, "hardware_slowdown"},
      {0x10, "sync_boost"},           {0x20, "software_thermal"}, {0x40, "hardware_thermal"},
      {0x80, "hardware_power_brake"}, {0x100, "display_clocks"},
  };
  std::vector<std::string_view> names;
  for (const auto& entry : kNames) {
    if ((reasons & entry.bit) != 0) names.push_back(entry.name);
  }
  return names;
}

}  // namespace greenroom::devices
