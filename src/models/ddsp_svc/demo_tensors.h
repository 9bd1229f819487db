// The tensors of a demo checkpoint: seeded noise first, then whatever a component's design writes over it.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/torch_writer.h"

namespace greenroom::models::ddsp_svc {

// Half-width of the uniform noise that carries a signal of unit variance through a layer of this fan-in.
float unit_gain(std::int64_t fan_in);

// A dense row-major float tensor under construction.
struct DemoTensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;

  // Missing trailing indexes are 0. REQUIRES: every index is inside the shape.
  float& at(std::int64_t i, std::int64_t j = 0, std::int64_t k = 0, std::int64_t l = 0);

  // Zeroes [i, ...]: an output channel of a Linear or Conv, an input channel of a ConvTranspose.
  void clear_row(std::int64_t i);
  // Zeroes [:, j, ...]: an input channel of a Linear or Conv, an output channel of a ConvTranspose.
  void clear_column(std::int64_t j);
};

// Move-only. Not thread-safe. References it returns stay valid for its lifetime.
class TensorSet {
 public:
  // The noise of a tensor depends on the seed and the tensor's name alone.
  explicit TensorSet(std::uint64_t seed) : seed_(seed) {}
  TensorSet(TensorSet&&) = default;
  TensorSet& operator=(TensorSet&&) = default;

  DemoTensor& noise(const std::string& name, std::vector<std::int64_t> shape, float amplitude);
  DemoTensor& constant(const std::string& name, std::vector<std::int64_t> shape, float value);
  void integer(const std::string& name, std::int64_t value);  // a 0-dimensional int64 buffer

  // Adds `prefix`.weight_g and .weight_v of torch's weight_norm and returns the latter, to be used as if it
  // was the weight itself: the norms over all axes but `axis` go into weight_g when the set is written. A row
  // of zeros becomes weight_g 0 on a noise direction, since 0 / |0| would be NaN.
  DemoTensor& weight_norm(const std::string& prefix, std::vector<std::int64_t> shape, int axis,
                          float amplitude);

  // Name -> tensor, for a file with several sets in it. Valid while the set lives.
  std::shared_ptr<checkpoint::DictToWrite> dict();

  // Writes {numbers..., "greenroom_demo": 1, root: {tensors}} as torch.save would. Throws base::Error.
  void write(const std::filesystem::path& path, const std::string& root,
             const std::vector<std::pair<std::string, std::int64_t>>& numbers = {});

 private:
  struct Entry {
    std::string name;
    DemoTensor tensor;
    bool is_integer = false;
    std::int64_t integer = 0;
  };
  struct Norm {
    std::string name;
    DemoTensor* gain;
    DemoTensor* direction;
    int axis;
  };
  void add_noise(const std::string& name, DemoTensor& tensor, float amplitude) const;
  void finish(const Norm& norm) const;

  std::uint64_t seed_;
  std::deque<Entry> entries_;  // a deque, for references must survive growth
  std::vector<Norm> norms_;
};

}  // namespace greenroom::models::ddsp_svc
