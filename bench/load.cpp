// One way of loading a checkpoint, timed: see load.py, which runs them all.
#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/host_memory.h"
#include "checkpoint/transfer.h"

namespace greenroom::checkpoint {
namespace {

std::map<std::string, long> memory_kilobytes() {
  std::map<std::string, long> values;
  std::ifstream file("/proc/self/status");
  std::string key;
  long value = 0;
  for (std::string line; std::getline(file, line);) {
    if (std::sscanf(line.c_str(), "%*[^:]: %ld", &value) == 1) values[line.substr(0, line.find(':'))] = value;
  }
  return values;
}

// Faulted in beforehand, so that only the copy is timed.
std::unique_ptr<HostMemory> touched_memory(std::uint64_t bytes) {
  auto memory = allocate_host_memory(bytes);
  std::memset(memory->bytes().data(), 1, memory->bytes().size());
  return memory;
}

unsigned touch(const Checkpoint& file) {
  unsigned sum = 0;
  for (const auto& [name, view] : file.tensors()) {
    constexpr std::size_t kPage = 4096;
    for (std::size_t i = 0; i < view.bytes.size(); i += kPage)
      sum += std::to_integer<unsigned>(view.bytes[i]);
  }
  return sum;
}

void copy_in_parallel(std::span<const std::byte> from, std::span<std::byte> to) {
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t share = from.size() / threads;
  std::vector<std::jthread> workers;
  for (unsigned i = 0; i < threads; ++i) {
    const std::size_t size = i + 1 == threads ? from.size() - i * share : share;
    workers.emplace_back([=] { std::memcpy(to.data() + i * share, from.data() + i * share, size); });
  }
}

int run(const std::string& way, const std::string& path) {
  // Made before the clock starts: the stand-in for a device has its memory already.
  std::unique_ptr<HostMemory> source;
  std::unique_ptr<HostMemory> block;
  const DType dtype = way == "half" ? DType::kFloat16 : DType::kFloat32;
  const bool copies = way == "buffer" || way == "half" || way == "direct" || way == "memcpy";
  if (copies) block = touched_memory(std::filesystem::file_size(path));
  if (way == "memcpy") source = touched_memory(block->bytes().size());
  const auto before = memory_kilobytes();
  const auto started = std::chrono::steady_clock::now();
  unsigned sum = 0;
  if (way == "memcpy") {
    copy_in_parallel(source->bytes(), block->bytes());
  } else {
    const auto file = Checkpoint::open(path);
    if (way == "touch") sum = touch(file);
    if (copies) {
      HostTarget target(block->bytes());
      TransferOptions options;
      options.direct_io = way == "direct" ? DirectIo::kAlways : DirectIo::kNever;
      transfer(ReadPlan(file, [&](std::string_view, const TensorView&) { return dtype; }), target, options);
    }
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  auto after = memory_kilobytes();
  fmt::print("{{\"seconds\": {}, \"anonymous_kb\": {}, \"peak_kb\": {}, \"sum\": {}}}\n", elapsed.count(),
             after["RssAnon"] - before.at("RssAnon"), after["VmHWM"] - before.at("VmHWM"), sum);
  return 0;
}

}  // namespace
}  // namespace greenroom::checkpoint

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: greenroom_load_bench open|touch|buffer|half|direct|memcpy FILE\n");
    return 2;
  }
  try {
    return greenroom::checkpoint::run(argv[1], argv[2]);
  } catch (const greenroom::base::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
