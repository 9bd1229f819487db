// Single readings of one GPU through NVML's functions, with the older function where the newer is missing or
// refuses. What a driver answers with nonsense (more than 100 % busy) counts as not answered.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "devices/device.h"
#include "devices/nvml_table.h"

namespace greenroom::devices::nvml {

// Whom to ask: a GPU, or a MIG instance and the GPU that it is a part of (which has the temperature).
struct Subject {
  Handle handle = nullptr;
  Handle gpu = nullptr;  // the same as `handle` when it is no instance
};

// Sets shared_with_host (and no sizes) for a GPU without memory of its own.
Result read_memory(const Table& table, const Subject& subject, DeviceMemory& memory);

// kSuccess, or the code of a GPU in trouble.
Result read_telemetry(const Table& table, const Subject& subject, Telemetry& telemetry);

// A process that computes and draws is there once, with the larger figure. `name` and `ours` are left empty.
Result read_processes(const Table& table, const Subject& subject, std::vector<ProcessUse>& processes);

// Fills in how busy each of `processes` kept the GPU since `last_seen_us`, the driver's own stamp, which
// moves on to the newest answer. Costs nothing but the figures where the driver does not tell: in an
// instance, on WSL.
void read_process_utilisation(const Table& table, const Subject& subject, std::uint64_t& last_seen_us,
                              std::vector<ProcessUse>& processes);

std::optional<PcieThroughput> read_pcie_throughput(const Table& table, const Subject& subject);

// Whether the code says that the GPU or the driver is in trouble, not merely that it does not know an answer.
bool is_trouble(Result result);

// What the code means and, where something helps, what to do: "the GPU is lost (15): ...".
std::string explain(Result result);

}  // namespace greenroom::devices::nvml
