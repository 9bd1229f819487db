// How fast weights reach a device, beside the plain copy of the same bytes from page-locked memory, and
// whether a device that has no memory left is survived. On the CPU as well, where a copy is one in memory.
//
//   greenroom_gpu_copy_bench DEVICE FILE [JSON]
//
// FILE: a checkpoint, read once before so that the page cache has it. Prints a table; writes the figures to
// JSON.
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/host_memory.h"
#include "nn/cuda_memory.h"
#include "nn/device_stream.h"
#include "nn/guard.h"
#include "nn/weight_block.h"

namespace greenroom::nn {
namespace {

constexpr int kTimes = 5;

double seconds_of(const std::function<void()>& body) {
  const auto started = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

// The median: the first one finds nothing prepared.
double median_of(const std::function<double()>& measure) {
  std::vector<double> values;
  for (int i = 0; i < kTimes; ++i) values.push_back(measure());
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::unique_ptr<checkpoint::CopyTarget> target_of(const torch::Tensor& block, base::DeviceId device) {
  if (device.kind == base::DeviceKind::kCuda) return make_cuda_target(block.data_ptr(), device.index);
  return std::make_unique<checkpoint::HostTarget>(
      std::span(static_cast<std::byte*>(block.data_ptr()), static_cast<std::size_t>(block.nbytes())));
}

torch::Tensor device_bytes(std::uint64_t bytes, base::DeviceId device) {
  return torch::empty({static_cast<std::int64_t>(bytes)},
                      torch::TensorOptions().dtype(torch::kUInt8).device(to_torch(device)));
}

class CopyBench {
 public:
  CopyBench(base::DeviceId device, const std::string& path)
      : device_(device), file_(checkpoint::Checkpoint::open(path)) {
    // Converted: on the CPU tensors would otherwise be used where they lie in the file, with nothing to copy.
    if (device.kind == base::DeviceKind::kCpu) options_.dtype = checkpoint::DType::kFloat16;
    options_.wanted = [](std::string_view, const checkpoint::TensorView& view) {
      return checkpoint::is_floating(view.dtype);
    };
  }

  base::Json run() {
    run_guarded("copying", device_, [&] {
      const DeviceStream stream(device_);
      load_once();  // and the page cache is warm
      plain_copy();
      add("load, file in the page cache", median_of([&] { return seconds_of([&] { load_once(); }); }));
      keep_image();
      if (image_)
        add("load from the image in host memory",
            median_of([&] { return seconds_of([&] { load_once(); }); }));
      options_.image.reset();
    });
    survive();
    return figures_;
  }

 private:
  void load_once() {
    const auto block = WeightBlock::read(file_, device_, options_);
    bytes_ = 0;
    for (const auto& [name, view] : file_.tensors()) {
      if (const auto tensor = block->find(name); tensor.defined()) bytes_ += tensor.nbytes();
    }
  }

  void keep_image() {
    auto keeping = options_;
    keeping.admit_image = [](std::uint64_t) { return true; };
    const auto block = WeightBlock::read(file_, device_, keeping);
    image_ = block->take_image();
    options_.image = image_;
  }

  // One asynchronous copy from page-locked memory: what no load can be faster than.
  void plain_copy() {
    const auto block = device_bytes(bytes_, device_);
    const auto target = target_of(block, device_);
    const auto from = target->allocate_staging(bytes_);
    std::fill(from->bytes().begin(), from->bytes().end(), std::byte{1});
    limit_ = median_of([&] {
      return seconds_of([&] {
        target->copy(0, from->bytes().first(static_cast<std::size_t>(bytes_)), 0);
        target->wait(0);
      });
    });
    add("one copy of the same bytes from page-locked memory", limit_);
  }

  // Asks for more than any device has; what was there before and what comes after has to work.
  void survive() {
    const auto kept = [&] {
      const DeviceStream stream(device_);
      return torch::ones({1 << 20}, torch::TensorOptions().device(to_torch(device_)));
    }();
    std::string refusal = "nothing was refused";
    bool is_refused = false;
    try {
      run_guarded("asking for too much", device_, [&] {
        const DeviceStream stream(device_);
        std::vector<torch::Tensor> hoard;
        constexpr std::uint64_t kPiece = 1ull << 30;
        // In pieces, so that the device is really full; on the CPU, whose memory others need, at once.
        const bool in_pieces = device_.kind == base::DeviceKind::kCuda;
        for (;;) hoard.push_back(device_bytes(in_pieces ? kPiece : 1ull << 60, device_));
      });
    } catch (const base::Error& error) {
      is_refused = error.code() == base::ErrorCode::kResourceExhausted;
      refusal = error.what();
    }
    release_cached_device_memory();
    double sum = 0;
    run_guarded("computing afterwards", device_, [&] {
      const DeviceStream stream(device_);
      const auto again = torch::ones({1 << 20}, torch::TensorOptions().device(to_torch(device_)));
      sum = (kept + again).sum().item<double>();
    });
    const bool is_broken = device_.kind == base::DeviceKind::kCuda && is_device_broken(device_.index);
    const bool survived = is_refused && sum == 2.0 * (1 << 20) && !is_broken;
    figures_["out_of_memory_survived"] = survived;
    figures_["out_of_memory_error"] = refusal;
    fmt::print("{:<52} {}\n", "out of memory on the device, survived", survived ? "yes" : "NO");
  }

  void add(const std::string& what, double seconds) {
    const double rate = static_cast<double>(bytes_) / seconds / 1e9;
    fmt::print("{:<52} {:>9.1f} ms {:>8.2f} GB/s {:>5.0f} % of the copy\n", what, seconds * 1e3, rate,
               100 * limit_ / seconds);
    figures_["copies"].push_back({{"what", what},
                                  {"bytes", bytes_},
                                  {"seconds", seconds},
                                  {"gigabytes_per_second", rate},
                                  {"share_of_copy", limit_ / seconds}});
  }

  const base::DeviceId device_;
  const checkpoint::Checkpoint file_;
  BlockOptions options_;
  std::shared_ptr<checkpoint::HostMemory> image_;
  std::uint64_t bytes_ = 0;
  double limit_ = 0;
  base::Json figures_ = base::Json::object();
};

}  // namespace
}  // namespace greenroom::nn

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: greenroom_gpu_copy_bench DEVICE FILE [JSON]\n");
    return 2;
  }
  try {
    const auto device = greenroom::base::parse_device_id(argv[1]);
    if (!device) throw std::invalid_argument(fmt::format("{} is no device that models run on", argv[1]));
    const auto figures = greenroom::nn::CopyBench(*device, argv[2]).run();
    if (argc > 3) std::ofstream(argv[3]) << figures.dump(2) << '\n';
    return figures.at("out_of_memory_survived").get<bool>() ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "greenroom_gpu_copy_bench: {}\n", error.what());
    return 1;
  }
}
