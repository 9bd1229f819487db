#include "nn/noise.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

namespace greenroom::nn {

SeededNoise::SeededNoise(std::uint64_t seed) : generator_(at::detail::createCPUGenerator(seed)) {}

torch::Tensor SeededNoise::normal(std::string_view /*name*/, torch::IntArrayRef shape, torch::Device device) {
  return torch::randn(shape, generator_).to(device);
}

torch::Tensor SeededNoise::uniform(std::string_view /*name*/, torch::IntArrayRef shape,
                                   torch::Device device) {
  return torch::rand(shape, generator_).to(device);
}

}  // namespace greenroom::nn
