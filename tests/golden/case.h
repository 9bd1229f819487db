// A reference case: a folder with inputs and outputs of the official implementation, and the table of
// comparisons.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/device_id.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "nn/noise.h"
#include "nn/weights.h"

namespace greenroom::golden {

// Largest |difference| / largest |reference| that counts as equal.
inline constexpr double kNetworkLimit = 1e-4;
inline constexpr double kWaveLimit = 1e-3;
inline constexpr double kConversionLimit = 5e-3;

// Where whole conversions and speech are computed: GREENROOM_GOLDEN_DEVICE, or the CPU. On a GPU only those
// cases run; their limits are the same, and libtorch is told not to round to TF32.
base::DeviceId device();

struct Row {
  std::string name;      // of the case
  std::string quantity;  // what was compared
  double error = 0;      // relative; infinity when the shapes differ
  double limit = 0;      // 0: must be equal
  bool passed() const { return error <= limit; }
};

// The arrays of one .safetensors file.
class Arrays {
 public:
  explicit Arrays(const std::filesystem::path& path);
  bool has(const std::string& name) const;
  torch::Tensor tensor(
      const std::string& name) const;  // float64 and int64 kept, the rest float32 or as stored
  std::vector<float> floats(const std::string& name) const;
  std::vector<double> doubles(const std::string& name) const;
  std::vector<std::int64_t> integers(const std::string& name) const;
  double number(const std::string& name) const;
  std::vector<std::string> names() const;

 private:
  checkpoint::Checkpoint file_;
};

class Case {
 public:
  Case(std::filesystem::path folder, std::vector<Row>& table);

  const std::string& name() const { return name_; }
  const std::filesystem::path& folder() const { return folder_; }
  const base::Json& meta() const { return meta_; }
  // io.safetensors. Throws base::Error(kNotFound) for a case without one.
  const Arrays& io() const;
  base::Json json(const std::string& file) const;
  nn::Weights weights(const std::string& file = "weights.pt") const;  // on the CPU
  nn::Weights device_weights(const std::string& file = "weights.pt") const;

  // Compares with the array `reference` of io().
  void check(const std::string& reference, const torch::Tensor& ours, double limit);
  void check(const std::string& reference, const std::vector<float>& ours, double limit);
  void check(const std::string& reference, const std::vector<double>& ours, double limit);
  void compare(const std::string& quantity, const torch::Tensor& ours, const torch::Tensor& theirs,
               double limit);
  void check_equal(const std::string& quantity, const std::vector<std::int64_t>& ours,
                   const std::vector<std::int64_t>& theirs);
  void check_equal(const std::string& quantity, bool equal);

 private:
  std::filesystem::path folder_;
  std::string name_;
  base::Json meta_;
  std::optional<Arrays> io_;
  std::vector<Row>& table_;
};

// Gives back recorded draws, by name and in order.
class RecordedNoise : public nn::NoiseSource {
 public:
  void add(const std::string& name, torch::Tensor values) { draws_[name] = std::move(values); }
  torch::Tensor normal(std::string_view name, torch::IntArrayRef shape, torch::Device device) override;
  torch::Tensor uniform(std::string_view name, torch::IntArrayRef shape, torch::Device device) override;

 private:
  std::map<std::string, torch::Tensor, std::less<>> draws_;
};

// Runs a case with what its name begins with; false when that is none of these.
using Kinds = std::vector<std::pair<std::string, std::function<void(Case&)>>>;
bool run_by_name(Case& golden, const Kinds& kinds);

// The kinds of cases; each returns false when the folder's name is not of its kind.
bool run_ddsp_svc_case(Case& golden);
bool run_index_tts_text_case(Case& golden);   // text, misc
bool run_index_tts_gpt_case(Case& golden);    // gpt_*, real_gpt_*, qwen3_*
bool run_index_tts_audio_case(Case& golden);  // features, encoders, acoustic model, vocoder
bool run_index_tts_e2e_case(Case& golden);    // e2e_v2_*

}  // namespace greenroom::golden
