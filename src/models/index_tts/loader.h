// From a component's file to its network.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "checkpoint/checkpoint.h"
#include "checkpoint/host_cache.h"
#include "core/model.h"
#include "models/index_tts/description.h"

namespace greenroom::models::index_tts {

template <typename Network>
class Loaded final : public core::LoadedComponent {
 public:
  Loaded(Network network, std::uint64_t bytes, std::optional<checkpoint::Checkpoint> file)
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
const Network& network_of(core::PinnedStage& stage, Component component) {
  return static_cast<Loaded<Network>&>(stage.component(component)).network();
}

// For core::Model::load_component. `images` may be null.
std::shared_ptr<core::LoadedComponent> load_component(const Description& description, std::size_t index,
                                                      base::DeviceId device, const core::LoadControl& control,
                                                      checkpoint::HostCache* images);

}  // namespace greenroom::models::index_tts
