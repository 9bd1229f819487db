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
#include "nn/guard.h"
#include "nn/weight_block.h"
#include "nn/weights.h"

namespace greenroom::models {

// Immutable; thread-safe as far as the network is.
template <typename Network>
class LoadedNetwork final : public core::LoadedComponent {
 public:
  LoadedNetwork(Network network, std::uint64_t bytes, std::optional<checkpoint::Checkpoint> file)
      : network_(std::move(network)), bytes_(bytes), file_(std::move(file)) {}
  std::uint64_t bytes() const override { return bytes_; }
  // Throws base::Error(kDataLoss) when the file it is a view of was written to.
  const Network& network() const {
    if (file_) file_->check_unchanged();
    return network_;
  }

 private:
  Network network_;
  std::uint64_t bytes_;
  std::optional<checkpoint::Checkpoint> file_;
};

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
  nn::run_guarded(spec.kind.c_str(), [&] {
    const nn::Weights weights(file, device, nn::WeightBlock::read(file, device, options), options.dtype);
    Network network = make(weights);
    file.check_unchanged();
    // Elsewhere nothing of the file is needed any more.
    const bool maps_file = device.kind == base::DeviceKind::kCpu;
    loaded = std::make_shared<LoadedNetwork<Network>>(std::move(network), weights.bytes(),
                                                      maps_file ? std::optional(file) : std::nullopt);
  });
  return loaded;
}

// What names a component's weights in the host cache: a changed file is another one.
std::string image_key(const core::ComponentSpec& spec, const checkpoint::Checkpoint& file);

}  // namespace greenroom::models
