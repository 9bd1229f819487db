#include "models/ddsp_svc/demo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "models/ddsp_svc/config.h"
#include "models/ddsp_svc/description.h"
#include "support/temp_dir.h"

namespace greenroom::models::ddsp_svc {
namespace {

namespace fs = std::filesystem;
using checkpoint::Checkpoint;
using checkpoint::DType;
using Shape = std::vector<std::int64_t>;

constexpr const char* kEncoderFile = "pretrain/contentvec/checkpoint_best_legacy_500.pt";
constexpr const char* kPitchFile = "pretrain/rmvpe/model.pt";
constexpr const char* kVocoderFile = "pretrain/nsf_hifigan/model";
const std::vector<std::string> kCheckpoints = {kEncoderFile, kPitchFile, kVocoderFile, "alto/model_0.pt",
                                               "tenor/model_0.pt"};

// The demos the cases look at, each written once.
class Demos {
 public:
  fs::path write(const std::string& name, std::uint64_t seed) {
    const fs::path folder = dir_.path() / name;
    if (fs::exists(folder)) return folder;
    DemoOptions options;
    options.seed = seed;
    options.wrote = [&](const fs::path& file) {
      written_[name].push_back(fs::relative(file, folder).string());
    };
    write_demo_models(folder, options);
    return folder;
  }
  const std::vector<std::string>& written(const std::string& name) { return written_[name]; }

 private:
  test::TempDir dir_;
  std::map<std::string, std::vector<std::string>> written_;
};

Demos& demos() {
  static Demos instance;
  return instance;
}

fs::path demo() {
  return demos().write("first", 1);
}

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<float> floats(const checkpoint::TensorView& view) {
  std::vector<float> values(static_cast<std::size_t>(view.numel()));
  std::memcpy(values.data(), view.bytes.data(), values.size() * sizeof(float));
  return values;
}

std::vector<float> floats(const Checkpoint& file, const std::string& name) {
  const auto* view = file.find(name);
  if (view == nullptr) throw std::runtime_error("no tensor " + name);
  return floats(*view);
}

void expect_tensors(const Checkpoint& file, const std::vector<std::pair<std::string, Shape>>& expected) {
  for (const auto& [name, shape] : expected) {
    const auto* view = file.find(name);
    ASSERT_NE(view, nullptr) << name;
    EXPECT_EQ(view->shape, shape) << name;
  }
}

TEST(Demo, WritesTheOfficialLayoutAndTellsOfEachFile) {
  const fs::path folder = demo();
  EXPECT_THAT(demos().written("first"),
              testing::UnorderedElementsAre(kEncoderFile, kPitchFile, kVocoderFile,
                                            "pretrain/nsf_hifigan/config.json", "alto/config.yaml",
                                            "alto/model_0.pt", "tenor/config.yaml", "tenor/model_0.pt"));
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  EXPECT_LT(bytes, 40u << 20);
}

TEST(Demo, SaysEverywhereThatItIsOne) {
  for (const auto& name : kCheckpoints) {
    const auto file = Checkpoint::open(demo() / name);
    const auto label = file.scalars().find("greenroom_demo");
    ASSERT_NE(label, file.scalars().end()) << name;
    EXPECT_EQ(std::get<std::int64_t>(label->second), 1) << name;
  }
  for (const char* voice : {"alto", "tenor"}) {
    EXPECT_THAT(read_bytes(demo() / voice / "config.yaml"), testing::StartsWith("# greenroom demo model"))
        << voice;
  }
}

TEST(Demo, EncoderHasFairseqsKeys) {
  const auto file = Checkpoint::open(demo() / kEncoderFile);
  expect_tensors(file, {{"model.mask_emb", {128}},
                        {"model.label_embs_concat", {104, 32}},
                        {"model.feature_extractor.conv_layers.0.0.weight", {32, 1, 10}},
                        {"model.feature_extractor.conv_layers.0.2.weight", {32}},
                        {"model.feature_extractor.conv_layers.6.0.weight", {32, 32, 2}},
                        {"model.layer_norm.weight", {32}},
                        {"model.post_extract_proj.weight", {128, 32}},
                        {"model.encoder.pos_conv.0.weight_g", {1, 1, 128}},
                        {"model.encoder.pos_conv.0.weight_v", {128, 8, 128}},
                        {"model.encoder.layers.11.self_attn.out_proj.weight", {128, 128}},
                        {"model.encoder.layers.11.self_attn_layer_norm.bias", {128}},
                        {"model.encoder.layers.11.fc1.weight", {128, 128}},
                        {"model.encoder.layers.11.final_layer_norm.weight", {128}},
                        {"model.encoder.layer_norm.weight", {128}},
                        {"model.final_proj.weight", {32, 128}}});
}

TEST(Demo, PitchNetHasRmvpesKeys) {
  const auto file = Checkpoint::open(demo() / kPitchFile);
  expect_tensors(file, {{"model.unet.encoder.bn.running_var", {1}},
                        {"model.unet.encoder.bn.num_batches_tracked", {}},
                        {"model.unet.encoder.layers.0.conv.0.conv.0.weight", {2, 1, 3, 3}},
                        {"model.unet.encoder.layers.0.conv.0.shortcut.weight", {2, 1, 1, 1}},
                        {"model.unet.encoder.layers.4.conv.1.conv.4.running_mean", {32}},
                        {"model.unet.intermediate.layers.1.conv.1.conv.3.weight", {64, 64, 3, 3}},
                        {"model.unet.tf.layers.4.conv.0.weight", {32, 32, 3, 3}},
                        {"model.unet.decoder.layers.0.conv1.0.weight", {64, 32, 3, 3}},
                        {"model.unet.decoder.layers.4.conv2.0.shortcut.weight", {2, 4, 1, 1}},
                        {"model.cnn.weight", {3, 2, 3, 3}},
                        {"model.fc.0.gru.weight_ih_l0", {192, 384}},
                        {"model.fc.0.gru.bias_hh_l0_reverse", {192}},
                        {"model.fc.1.weight", {360, 128}}});
  EXPECT_EQ(file.find("model.unet.encoder.layers.0.conv.1.shortcut.weight"), nullptr);
}

// Every row of the last layer is a template that sums to zero, so a louder recording has the same pitch.
TEST(Demo, PitchNetIsBlindToLoudness) {
  const auto weight = floats(Checkpoint::open(demo() / kPitchFile), "model.fc.1.weight");
  for (std::size_t bin = 0; bin < 360; ++bin) {
    double sum = 0;
    double size = 0;
    for (std::size_t i = 0; i < 128; ++i) {
      sum += weight[bin * 128 + i];
      size += std::abs(weight[bin * 128 + i]);
    }
    EXPECT_LT(std::abs(sum), 1e-4 * size) << "bin " << bin;
  }
}

TEST(Demo, VoiceHasTheKeysOf63) {
  const auto file = Checkpoint::open(demo() / "alto/model_0.pt");
  const std::string control = "model.ddsp_model.unit2ctrl.";
  const std::string flow = "model.reflow_model.velocity_fn.";
  expect_tensors(file, {{"model.ddsp_model.sampling_rate", {}},
                        {"model.ddsp_model.block_size", {}},
                        {"model.ddsp_model.win_length", {}},
                        {"model.ddsp_model.window", {2048}},
                        {control + "f0_embed.weight", {32, 1}},
                        {control + "phase_embed.bias", {32}},
                        {control + "aug_shift_embed.weight", {32, 1}},
                        {control + "spk_embed.weight", {2, 32}},
                        {control + "stack.0.weight_v", {512, 128, 3}},
                        {control + "stack2.0.weight_v", {512, 1024, 3}},
                        {control + "stack2.1.weight", {512}},
                        {control + "stack2.2.weight_g", {32, 1, 1}},
                        {control + "decoder.encoder_layers.1.conformer.net.8.weight", {32, 32}},
                        {control + "norm.bias", {32}},
                        {control + "dense_out.weight_v", {4100, 32}},
                        {flow + "input_projection.weight", {176, 128}},
                        {flow + "diffusion_embedding.1.weight", {704, 176}},
                        {flow + "residual_layers.1.net.2.weight", {176, 1, 31}},
                        {flow + "residual_layers.1.net.6.weight", {352, 176}},
                        {flow + "output_projection.weight", {128, 176}}});
  EXPECT_EQ(file.find("model.ddsp_model.block_size")->dtype, DType::kInt64);
  EXPECT_EQ(std::get<std::int64_t>(file.scalars().at("global_step")), 0);
}

TEST(Demo, VoiceOfOneSpeakerHasNoTable) {
  const auto file = Checkpoint::open(demo() / "tenor/model_0.pt");
  EXPECT_EQ(file.find("model.ddsp_model.unit2ctrl.spk_embed.weight"), nullptr);
  EXPECT_EQ(read_voice_config(demo() / "tenor/config.yaml").n_spk, 1);
  EXPECT_EQ(read_voice_config(demo() / "alto/config.yaml").n_spk, 2);
}

TEST(Demo, VocoderHasTheMiniNsfKeys) {
  const auto file = Checkpoint::open(demo() / kVocoderFile);
  expect_tensors(file, {{"generator.conv_pre.weight_v", {128, 128, 7}},
                        {"generator.ups.0.weight_g", {128, 1, 1}},
                        {"generator.ups.0.weight_v", {128, 64, 16}},
                        {"generator.ups.4.weight_v", {8, 4, 4}},
                        {"generator.resblocks.14.convs1.2.weight_v", {4, 4, 11}},
                        {"generator.source_conv.weight", {32, 1, 1}},
                        {"generator.conv_post.weight_v", {1, 4, 7}}});
  const auto config = read_vocoder_config(demo() / "pretrain/nsf_hifigan/config.json");
  EXPECT_TRUE(config.mini_nsf);
  EXPECT_TRUE(config.pc_aug);
  EXPECT_EQ(config.upsample_rates, (std::vector<int>{8, 8, 2, 2, 2}));
}

// weight_norm divides by the norm of weight_v: a direction of zeros would load as NaN.
TEST(Demo, EveryNumberIsFiniteAndNoDirectionIsZero) {
  for (const auto& name : kCheckpoints) {
    const auto file = Checkpoint::open(demo() / name);
    for (const auto& [key, view] : file.tensors()) {
      if (view.dtype != DType::kFloat32) continue;
      const auto values = floats(view);
      for (const float value : values) ASSERT_TRUE(std::isfinite(value)) << name << " " << key;
      if (!key.ends_with("weight_v") || key.find("pos_conv") != std::string::npos) continue;
      const std::size_t width = values.size() / static_cast<std::size_t>(view.shape[0]);
      for (std::size_t row = 0; row < values.size(); row += width) {
        double squares = 0;
        for (std::size_t i = row; i < row + width; ++i) squares += values[i] * values[i];
        ASSERT_GT(squares, 0) << name << " " << key << " row " << row / width;
      }
    }
  }
}

TEST(Demo, SameSeedGivesTheSameBytes) {
  const fs::path again = demos().write("again", 1);
  for (const auto& name : kCheckpoints)
    EXPECT_EQ(read_bytes(demo() / name), read_bytes(again / name)) << name;
}

TEST(Demo, AnotherSeedGivesOtherWeights) {
  const fs::path other = demos().write("other", 2);
  for (const auto& name : kCheckpoints)
    EXPECT_NE(read_bytes(demo() / name), read_bytes(other / name)) << name;
}

TEST(Demo, BothVoicesShareThreeComponents) {
  const auto alto = describe(demo() / "alto/model_0.pt");
  const auto tenor = describe(demo() / "tenor");
  EXPECT_EQ(alto.generation, Generation::k63);
  EXPECT_EQ(tenor.generation, Generation::k63);
  ASSERT_EQ(alto.components.size(), 4u);
  ASSERT_EQ(tenor.components.size(), 4u);
  for (const std::size_t shared : {kEncoder, kPitch, kVocoder}) {
    EXPECT_EQ(alto.components[shared].file, tenor.components[shared].file);
    EXPECT_EQ(alto.components[shared].variant, tenor.components[shared].variant);
    EXPECT_EQ(alto.components[shared].bytes, tenor.components[shared].bytes);
  }
  EXPECT_NE(alto.components[kVoice].file, tenor.components[kVoice].file);
}

}  // namespace
}  // namespace greenroom::models::ddsp_svc
