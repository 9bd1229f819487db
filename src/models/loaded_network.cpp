#include "models/loaded_network.h"

namespace greenroom::models {

nn::BlockOptions block_options(const core::LoadControl& control, checkpoint::Selection wanted,
                               checkpoint::DType dtype) {
  nn::BlockOptions options;
  options.wanted = std::move(wanted);
  options.cancelled = control.cancelled;
  options.progress = control.progress;
  if (control.image) options.image = static_cast<const WeightImage&>(*control.image).memory();
  options.admit_image = control.admit_image;
  options.dtype = dtype;
  return options;
}

}  // namespace greenroom::models
