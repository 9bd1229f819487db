// Other processes of this machine.
#pragma once

#include <cstdint>
#include <optional>

namespace greenroom::base {

// When process `pid` started, in clock ticks since the machine did; nullopt when there is none, or it ended
// and only waits to be reaped. A pid alone is no identity, since numbers come round again; the two together
// are. Linux: /proc/PID/stat.
std::optional<std::uint64_t> process_start(int pid);

}  // namespace greenroom::base
