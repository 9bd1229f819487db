#include "devices/xid.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>

namespace greenroom::devices {
namespace {

struct Known {
  int xid;
  XidSeverity severity;
  const char* meaning;
};

constexpr Known kKnown[] = {
    {13, XidSeverity::kProgram, "a program caused an exception in the graphics engine"},
    {31, XidSeverity::kProgram, "a program used an address that is not its own"},
    {43, XidSeverity::kProgram, "a program's work was stopped after an error of its own"},
    {45, XidSeverity::kProgram, "a program's work was taken off, most likely because it ended"},
    {48, XidSeverity::kCritical, "a memory error that could not be corrected; reset the GPU"},
    {62, XidSeverity::kCritical, "its power controller has halted; reset the GPU"},
    {63, XidSeverity::kProgram, "a bad row or page of memory was taken out of use"},
    {64, XidSeverity::kCritical,
     "a bad row or page of memory could not be taken out of use; replace the GPU"},
    {74, XidSeverity::kCritical, "an error of NVLink; reset the GPU, and look at its seating"},
    {79, XidSeverity::kCritical,
     "the GPU has fallen off the bus; restart the machine, look at seating and power"},
    {92, XidSeverity::kProgram, "many memory errors were corrected"},
    {94, XidSeverity::kProgram, "a memory error ended one program and no other"},
    {95, XidSeverity::kCritical, "a memory error that may have reached every program; reset the GPU"},
    {119, XidSeverity::kCritical, "its system processor does not answer; reset the GPU"},
    {120, XidSeverity::kCritical, "its system processor has failed; reset the GPU"},
};

const Known* find(int xid) {
  const auto* found = std::find_if(std::begin(kKnown), std::end(kKnown),
                                   [&](const Known& known) { return known.xid == xid; });
  return found == std::end(kKnown) ? nullptr : found;
}

}  // namespace

XidSeverity xid_severity(int xid) {
  const Known* known = find(xid);
  return known != nullptr ? known->severity : XidSeverity::kWarning;
}

std::string describe_xid(int xid) {
  const Known* known = find(xid);
  return fmt::format("the driver reported XID {}: {}", xid,
                     known != nullptr ? known->meaning : "see NVIDIA's document \"XID Errors\"");
}

}  // namespace greenroom::devices
