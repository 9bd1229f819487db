// A component that is a network over the weights of one file, and the way from that file to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/device_id.h"
#include "checkpoint/checkpoint.h"
#include "core/model.h"
#include "nn/device_stream.h"
#include "nn/guard.h"
#include "nn/weight_block.h"
#include "nn/weights.h"

namespace greenroom::models {

// Immutable; thread-safe as far as the network is.
template <typename Network>
class LoadedNetwork final : public core::LoadedComponent {
 public:
  LoadedNetwork(Network network, std::uint64_t bytes, std::optional<checkpoint::Checkpoint> file,
                std::shared_ptr<core::HostImage> image)
      : network_(std::move(network)), bytes_(bytes), file_(std::move(file)), image_(std::move(image)) {}
  std::uint64_t bytes() const override { return bytes_; }
  std::shared_ptr<core::HostImage> take_image() override { return std::exchange(image_, nullptr); }
  // Throws base::Error(kDataLoss) when the file it is a view of was written to.
  const Network& network() const {
    if (file_) file_->check_unchanged();
    return network_;
  }

 private:
  Network network_;
  std::uint64_t bytes_;
  std::optional<checkpoint::Checkpoint> file_;
  std::shared_ptr<core::HostImage> image_;
};

// A block of weights as core keeps it in host memory.
class WeightImage final : public core::HostImage {
 public:
  explicit WeightImage(std::shared_ptr<checkpoint::HostMemory> memory) : memory_(std::move(memory)) {}
  std::uint64_t bytes() const override { return memory_->bytes().size(); }
  const std::shared_ptr<checkpoint::HostMemory>& memory() const { return memory_; }

 private:
  std::shared_ptr<checkpoint::HostMemory> memory_;
};

// How a component is to be brought to its device. REQUIRES: an image in `control` is a WeightImage.
nn::BlockOptions block_options(const core::LoadControl& control, checkpoint::Selection wanted,
                               checkpoint::DType dtype = checkpoint::DType::kFloat32);

// REQUIRES: `Network` is what the component of that index is loaded as.
template <typename Network>
const Network& network_of(core::PinnedStage& stage, std::size_t component) {
  return static_cast<LoadedNetwork<Network>&>(stage.component(component)).network();
}

// Brings the weights to the device and has `make` build the network from them. Throws base::Error.
template <typename Make>
std::shared_ptr<core::LoadedComponent> load_network(const core::ComponentSpec& spec, base::DeviceId device,
                                                    const nn::BlockOptions& options,
                                                    const checkpoint::Checkpoint& file, const Make& make) {
  using Network = decltype(make(std::declval<const nn::Weights&>()));
  std::shared_ptr<core::LoadedComponent> loaded;
  nn::run_guarded(spec.kind.c_str(), device, [&] {
    nn::DeviceStream stream(device);
    const auto block = nn::WeightBlock::read(file, device, options);
    const nn::Weights weights(file, device, block, options.dtype);
    Network network = make(weights);
    file.check_unchanged();
    stream.finish();  // whoever runs it does so on another stream
    // Elsewhere nothing of the file is needed any more.
    const bool maps_file = device.kind == base::DeviceKind::kCpu;
    auto image = block ? block->take_image() : nullptr;
    loaded = std::make_shared<LoadedNetwork<Network>>(
        std::move(network), weights.bytes(), maps_file ? std::optional(file) : std::nullopt,
        image ? std::make_shared<WeightImage>(std::move(image)) : nullptr);
  });
  return loaded;
}

}  // namespace greenroom::models
