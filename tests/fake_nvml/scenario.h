// What the stand-in for libnvidia-ml answers: a text file, one setting a line.
//
//   driver 560.35.03          cuda 12060
//   init 9                    what nvmlInit answers (0 when absent)
//   live                      the file is read again before every answer
//   refuse FUNCTION [CODE]    that function answers CODE (3: not supported)
//   hang FUNCTION FIFO        ... answers once somebody has opened the FIFO for writing and closed it
//   slow FUNCTION MICROSECONDS
//   gpu NAME | UUID | BUS ID  a GPU; what follows is about it. What is not said is not supported.
//     memory TOTAL USED [RESERVED]          in bytes
//     unified                               no memory of its own
//     utilisation GPU MEMORY                in percent
//     celsius N    margin N    slowdown N    memory_celsius N    fan N
//     milliwatts NOW [LIMIT]    millijoules N    megahertz SM MEMORY    throttle BITS
//     pcie GENERATION LANES [SENT RECEIVED] KB/s    ecc CORRECTED UNCORRECTED    cores N MEGAHERTZ
//     process PID BYTES|unknown [graphics]
//     busy PID PERCENT STAMP [stale]        of its processors' time; told once, unless stale
//     xid NUMBER...                         errors that the driver reports, each once
//     mig NAME | UUID | TOTAL | USED        an instance (the GPU is in MIG mode)
//     frees N USED                          from the Nth question for its memory on, this is used
//     fails N CODE [N2]                     from the Nth such question on, everything answers CODE, until the
//                                           library was started N2 more times
//     gone                                  is not counted
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fake_nvml {

struct Process {
  unsigned pid = 0;
  std::optional<std::uint64_t> bytes;
  bool graphics = false;
};

struct Busy {
  unsigned pid = 0, percent = 0;
  std::uint64_t stamp = 0;
  bool stale = false;
};

struct Instance {
  std::string name, uuid;
  std::uint64_t total = 0, used = 0;
};

using Numbers = std::vector<std::uint64_t>;

struct Gpu {
  std::string name, uuid, bus_id;
  std::map<std::string, Numbers> settings;
  std::vector<Process> processes;
  std::vector<Busy> busy;
  std::vector<Instance> instances;

  const Numbers* find(const std::string& setting, std::size_t at_least = 1) const {
    const auto found = settings.find(setting);
    return found == settings.end() || found->second.size() < at_least ? nullptr : &found->second;
  }
};

struct Scenario {
  std::string driver;
  int cuda = 0;
  int init = 0;
  bool live = false;
  std::map<std::string, int> refused;
  std::map<std::string, std::string> hanging;
  std::map<std::string, unsigned> slow;
  std::vector<Gpu> gpus;
};

// An empty one when there is no such file.
Scenario read_scenario(const std::string& file);

}  // namespace fake_nvml
