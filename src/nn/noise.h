// Where a model's random numbers come from: a seeded generator in use, recorded draws in parity tests.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string_view>

namespace greenroom::nn {

// Not thread-safe; one per run.
class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  // Standard normal. `name` says which of the model's draws this is ("ddsp", "flow", "vocoder").
  virtual torch::Tensor normal(std::string_view name, torch::IntArrayRef shape, torch::Device device) = 0;
  // Uniform in [0, 1).
  virtual torch::Tensor uniform(std::string_view name, torch::IntArrayRef shape, torch::Device device) = 0;
};

// Draws on the CPU whatever the device, so that a seed gives the same voice everywhere.
class SeededNoise : public NoiseSource {
 public:
  explicit SeededNoise(std::uint64_t seed);
  torch::Tensor normal(std::string_view name, torch::IntArrayRef shape, torch::Device device) override;
  torch::Tensor uniform(std::string_view name, torch::IntArrayRef shape, torch::Device device) override;

 private:
  torch::Generator generator_;
};

}  // namespace greenroom::nn
