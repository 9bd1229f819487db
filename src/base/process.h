// Other processes of this machine.
#pragma once

#include <cstdint>
#include <optional>

namespace greenroom::base {

// When process `pid` started, in clock ticks since the machine did; nullopt when there is none, or it ended
// and only waits to be reaped. A pid alone is no identity, since numbers come round again; the two together
// are. Linux: /proc/PID/stat.
std::optional<std::uint64_t> process_start(int pid);

// Resident memory of a process that is neither a file's nor shared; 0 where the system does not tell. Linux:
// /proc/PID/status.
std::uint64_t anonymous_bytes(int pid);

}  // namespace greenroom::base
