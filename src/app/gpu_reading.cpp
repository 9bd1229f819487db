#include "app/gpu_reading.h"

#include <optional>

namespace greenroom::app {
namespace {

// What the driver says that our processes hold of the device, if it names one of them. (In a container it may
// know them by other numbers.)
std::optional<std::uint64_t> held_by_us(const devices::Device& device) {
  std::optional<std::uint64_t> held;
  for (const auto& process : device.processes()) {
    if (process.ours && process.bytes) held = held.value_or(0) + *process.bytes;
  }
  return held;
}

}  // namespace

core::DeviceReading read_gpu(const devices::Device& device, const models::Library* library,
                             ContextCost& context) {
  const int index = device.id().index;
  const bool is_ours = library != nullptr && index < library->cuda_device_count();
  // In this order: what is allocated in between then counts as the others', never as free.
  const auto heap = is_ours ? library->device_heap(index) : models::DeviceHeap();
  const auto memory = device.memory();
  core::DeviceReading reading{memory.total, memory.free, heap.held, is_ours && !memory.shared_with_host};
  reading.stuck = heap.stuck;
  if (memory.shared_with_host) return reading;
  if (context.is_due()) {
    const auto held = held_by_us(device);
    // Only where nothing came or went between the two figures.
    if (!is_ours || library->device_heap(index) == heap) context.measure(held, heap.held);
  }
  const auto cost = context.look(memory.free, heap.held);
  reading.overhead = cost.now;
  reading.overhead_to_come = cost.to_come;
  return reading;
}

}  // namespace greenroom::app
