// NVIDIA's XID errors: what the driver reports about a GPU on its own account.
#pragma once

#include <string>

namespace greenroom::devices {

// Source of numbers and meanings: NVIDIA's document "XID Errors".
enum class XidSeverity {
  kProgram,   // a program did something wrong, or the driver mended it: counted, no alarm
  kWarning,   // of the GPU, and not known to be the end of it
  kCritical,  // the GPU is not to be trusted before it was reset or replaced
};

XidSeverity xid_severity(int xid);

// "the driver reported XID 79: the GPU has fallen off the bus".
std::string describe_xid(int xid);

}  // namespace greenroom::devices
