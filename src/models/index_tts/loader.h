// From a component's file to its network.
#pragma once

#include <cstddef>
#include <memory>

#include "core/model.h"
#include "models/index_tts/description.h"
#include "models/loaded_network.h"

namespace greenroom::models::index_tts {

// For core::Model::load_component.
std::shared_ptr<core::LoadedComponent> load_component(const Description& description, std::size_t index,
                                                      base::DeviceId device,
                                                      const core::LoadControl& control);

}  // namespace greenroom::models::index_tts
