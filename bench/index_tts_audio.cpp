// IndexTTS-2's acoustic stages at the published dimensions with random weights: processor time per stage,
// real-time factor and activation memory.
//
//   greenroom_index_tts_audio_bench FOLDER [--seconds S] [--reference S] [--steps N] [--threads N] [--only
//   STAGE]
//
// Writes bigvgan_generator.pt and s2mel.pth into FOLDER in the official layout unless they are there;
// index_tts_audio.py runs the official classes on the same files.
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <cmath>
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/torch_writer.h"
#include "models/index_tts/audio_workspace.h"
#include "models/index_tts/bigvgan.h"
#include "models/index_tts/flow.h"
#include "models/index_tts/regulator.h"
#include "nn/guard.h"

namespace greenroom::models::index_tts {
namespace {

namespace fs = std::filesystem;

struct Settings {
  fs::path folder;
  double seconds = 2;
  double reference_seconds = 3;
  int steps = 2;
  int threads = 1;
  std::string only;
};

constexpr double kFramesPerSecond = 22050.0 / 256;

// Random tensors by name, scaled so that a signal neither dies out nor explodes.
class Maker {
 public:
  void add(const std::string& name, std::vector<std::int64_t> shape, double spread = 0) {
    std::int64_t inputs = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) inputs *= shape[i];
    const double scale = spread > 0 ? spread : 1 / std::sqrt(static_cast<double>(inputs));
    tensors_.push_back(torch::randn(shape) * scale);
    items_.emplace_back(name, as_written(tensors_.back()));
  }
  void add_ones(const std::string& name, std::vector<std::int64_t> shape) {
    tensors_.push_back(torch::ones(shape));
    items_.emplace_back(name, as_written(tensors_.back()));
  }
  void linear(const std::string& name, std::int64_t out, std::int64_t in, bool bias = true) {
    add(name + ".weight", {out, in});
    if (bias) add(name + ".bias", {out}, 0.01);
  }
  // The gain is a part of the row's length, so that the folded weight keeps the signal's size.
  void weight_norm(const std::string& name, std::vector<std::int64_t> shape, double gain, std::int64_t bias) {
    std::vector<std::int64_t> gains(shape.size(), 1);
    gains[0] = shape[0];
    tensors_.push_back(torch::full(gains, gain));
    items_.emplace_back(name + ".weight_g", as_written(tensors_.back()));
    add(name + ".weight_v", std::move(shape), 1);
    if (bias > 0) add(name + ".bias", {bias}, 0.01);
  }
  std::shared_ptr<checkpoint::DictToWrite> dict() {
    return std::make_shared<checkpoint::DictToWrite>(checkpoint::DictToWrite{std::move(items_)});
  }

 private:
  static checkpoint::TensorToWrite as_written(const torch::Tensor& tensor) {
    return {checkpoint::DType::kFloat32,
            tensor.sizes().vec(),
            {static_cast<const std::byte*>(tensor.data_ptr()), static_cast<std::size_t>(tensor.nbytes())}};
  }
  std::vector<torch::Tensor> tensors_;
  std::vector<std::pair<std::string, checkpoint::ValueToWrite>> items_;
};

void write_vocoder(const fs::path& path) {
  const VocoderConfig config;
  Maker maker;
  std::int64_t channels = 1536;
  maker.weight_norm("conv_pre", {channels, 80, 7}, 1, channels);
  const auto snake = [&](const std::string& name) {
    maker.add(name + ".act.alpha", {channels}, 0.3);
    maker.add(name + ".act.beta", {channels}, 0.3);
  };
  for (std::size_t stage = 0; stage < config.upsample_rates.size(); ++stage) {
    const std::int64_t half = channels / 2;
    const double gain = std::sqrt(static_cast<double>(half) / static_cast<double>(channels));
    maker.weight_norm(fmt::format("ups.{}.0", stage), {channels, half, config.upsample_kernel_sizes[stage]},
                      gain, half);
    channels = half;
    for (std::size_t j = 0; j < 3; ++j) {
      const auto block = fmt::format("resblocks.{}", 3 * stage + j);
      for (int d = 0; d < 3; ++d) {
        const std::int64_t kernel = config.resblock_kernel_sizes[j];
        maker.weight_norm(fmt::format("{}.convs1.{}", block, d), {channels, channels, kernel}, 0.5, channels);
        maker.weight_norm(fmt::format("{}.convs2.{}", block, d), {channels, channels, kernel}, 0.5, channels);
      }
      for (int a = 0; a < 6; ++a) snake(fmt::format("{}.activations.{}", block, a));
    }
  }
  snake("activation_post");
  maker.weight_norm("conv_post", {1, channels, 7}, 0.1, 0);
  checkpoint::DictToWrite root;
  root.items.emplace_back("generator", maker.dict());
  checkpoint::write_torch_archive(path, root);
}

void add_estimator(Maker& maker) {
  constexpr std::int64_t kWidth = 512;
  const auto ada_norm = [&](const std::string& name) {
    maker.linear(name + ".project_layer", 2 * kWidth, kWidth);
    maker.add_ones(name + ".norm.weight", {kWidth});
  };
  for (int i = 0; i < 13; ++i) {
    const auto layer = fmt::format("estimator.transformer.layers.{}", i);
    maker.linear(layer + ".attention.wqkv", 3 * kWidth, kWidth, false);
    maker.linear(layer + ".attention.wo", kWidth, kWidth, false);
    maker.linear(layer + ".feed_forward.w1", 1536, kWidth, false);
    maker.linear(layer + ".feed_forward.w3", 1536, kWidth, false);
    maker.linear(layer + ".feed_forward.w2", kWidth, 1536, false);
    ada_norm(layer + ".ffn_norm");
    ada_norm(layer + ".attention_norm");
    maker.linear(layer + ".skip_in_linear", kWidth, 2 * kWidth);
  }
  ada_norm("estimator.transformer.norm");
  for (const std::string name : {"t_embedder", "t_embedder2"}) {
    maker.linear("estimator." + name + ".mlp.0", kWidth, 256);
    maker.linear("estimator." + name + ".mlp.2", kWidth, kWidth);
  }
  maker.linear("estimator.conv1", kWidth, kWidth);
  maker.add("estimator.conv2.weight", {80, kWidth, 1});
  maker.add("estimator.conv2.bias", {80}, 0.01);
  maker.linear("estimator.cond_projection", kWidth, kWidth);
  maker.linear("estimator.cond_x_merge_linear", kWidth, 864);
  maker.linear("estimator.res_projection", kWidth, kWidth);
  maker.linear("estimator.skip_linear", kWidth, kWidth + 80);
  maker.linear("estimator.final_layer.adaLN_modulation.1", 2 * kWidth, kWidth);
  maker.weight_norm("estimator.final_layer.linear", {kWidth, kWidth}, 1, kWidth);
  const std::string wavenet = "estimator.wavenet.";
  maker.weight_norm(wavenet + "cond_layer.conv.conv", {8192, kWidth, 1}, 1, 8192);
  for (int i = 0; i < 8; ++i) {
    maker.weight_norm(fmt::format("{}in_layers.{}.conv.conv", wavenet, i), {1024, kWidth, 5}, 1, 1024);
    const std::int64_t out = i < 7 ? 1024 : 512;
    maker.weight_norm(fmt::format("{}res_skip_layers.{}.conv.conv", wavenet, i), {out, kWidth, 1}, 1, out);
  }
}

void write_s2mel(const fs::path& path) {
  Maker flow;
  add_estimator(flow);
  Maker regulator;
  regulator.linear("content_in_proj", 512, 1024);
  for (const int i : {0, 3, 6, 9, 12}) {
    regulator.add(fmt::format("model.{}.weight", i), {512, 512, i < 12 ? 3 : 1});
    regulator.add(fmt::format("model.{}.bias", i), {512}, 0.01);
    if (i == 12) continue;
    regulator.add_ones(fmt::format("model.{}.weight", i + 1), {512});
    regulator.add(fmt::format("model.{}.bias", i + 1), {512}, 0.01);
  }
  Maker latent;
  latent.linear("0", 256, 1280);
  latent.linear("1", 128, 256);
  latent.linear("2", 1024, 128);
  auto net = std::make_shared<checkpoint::DictToWrite>();
  net->items.emplace_back("cfm", flow.dict());
  net->items.emplace_back("length_regulator", regulator.dict());
  net->items.emplace_back("gpt_layer", latent.dict());
  checkpoint::DictToWrite root;
  root.items.emplace_back("net", net);
  checkpoint::write_torch_archive(path, root);
}

// Processor seconds of all threads: what other programs on the machine take does not count. With one thread
// the same as the time on a quiet machine.
double seconds_of(const std::function<void()>& work) {
  const std::clock_t started = std::clock();
  work();
  return static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
}

// Bytes of activations that `work` takes at most.
std::uint64_t peak_of(const std::function<void()>& work) {
  const auto before = nn::WorkspaceMeter::current_bytes();
  nn::WorkspaceMeter::reset_peak();
  work();
  return nn::WorkspaceMeter::peak_bytes() - before;
}

void report(const std::string& what, double seconds, double of_audio, std::uint64_t peak,
            std::uint64_t reserved) {
  fmt::print("{:<34} {:>8.2f} s   RTF {:>7.2f}   workspace {:>7.1f} MiB of {:>7.1f} MiB reserved\n", what,
             seconds, seconds / of_audio, static_cast<double>(peak) / (1 << 20),
             static_cast<double>(reserved) / (1 << 20));
}

void run_vocoder(const Settings& settings) {
  const VocoderConfig config;
  const nn::Weights file(checkpoint::Checkpoint::open(settings.folder / "bigvgan_generator.pt"),
                         base::DeviceId{});
  const Vocoder vocoder(file, config);
  const auto frames = static_cast<std::int64_t>(settings.seconds * kFramesPerSecond);
  const auto mel = torch::randn({1, 80, frames}) * 2 - 5;
  vocoder.synthesize(mel.slice(2, 0, 8));  // first use
  double seconds = 0;
  const auto peak = peak_of([&] { seconds = seconds_of([&] { vocoder.synthesize(mel); }); });
  report(fmt::format("vocoder, {} frames", frames), seconds, settings.seconds, peak,
         vocoder_workspace_bytes({}, config, frames));
  auto x = vocoder.begin(mel);
  for (std::size_t i = 0; i < config.upsample_rates.size(); ++i) {
    torch::Tensor doubled, next;
    const double up = seconds_of([&] { doubled = vocoder.stage(i).upsample(x); });
    const double fast = seconds_of([&] { vocoder.stage(i).first_activation(doubled); });
    const nn::FilteredSnake snake(torch::ones({doubled.size(1)}), torch::ones({doubled.size(1)}));
    const double slow = seconds_of([&] { snake.reference(doubled); });
    const double all = seconds_of([&] { next = vocoder.stage(i).blocks(doubled); });
    fmt::print(
        "  stage {} [{} x {}]: upsampling {:.3f} s, blocks {:.3f} s, of that 18 activations {:.3f} s ({:.3f} "
        "s by "
        "libtorch's convolutions)\n",
        i, doubled.size(1), doubled.size(2), up, all, 18 * fast, 18 * slow);
    x = next;
  }
}

void run_flow(const Settings& settings) {
  const nn::Weights file(checkpoint::Checkpoint::open(settings.folder / "s2mel.pth"), base::DeviceId{});
  const FlowEstimator estimator(file, 8);
  const Regulator regulator(file);
  const auto reference = static_cast<std::int64_t>(settings.reference_seconds * kFramesPerSecond);
  const auto frames = static_cast<std::int64_t>(settings.seconds * kFramesPerSecond);
  const auto features = torch::randn({1, static_cast<std::int64_t>(settings.seconds * 50), 1024});
  torch::Tensor content;
  const double stretch = seconds_of([&] { content = regulator.stretch(features, reference + frames); });
  const FlowCondition condition{content, torch::randn({1, reference, 80}), torch::randn({1, 192})};
  FlowOptions options;
  options.steps = settings.steps;
  nn::SeededNoise noise(1);
  double seconds = 0;
  const auto peak =
      peak_of([&] { seconds = seconds_of([&] { integrate_flow(estimator, condition, options, noise); }); });
  fmt::print("regulator {:.3f} s\n", stretch);
  report(fmt::format("flow, {} + {} frames, {} steps", reference, frames, settings.steps), seconds,
         settings.seconds * settings.steps / 25, peak, acoustic_workspace_bytes({}, 8, reference, frames));
  fmt::print("  {:.3f} s a step\n", seconds / settings.steps);
}

Settings parse(int argc, char** argv) {
  Settings settings;
  settings.folder = argc > 1 ? argv[1] : ".";
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--seconds") settings.seconds = std::stod(argv[i + 1]);
    if (flag == "--reference") settings.reference_seconds = std::stod(argv[i + 1]);
    if (flag == "--steps") settings.steps = std::stoi(argv[i + 1]);
    if (flag == "--threads") settings.threads = std::stoi(argv[i + 1]);
    if (flag == "--only") settings.only = argv[i + 1];
  }
  return settings;
}

}  // namespace
}  // namespace greenroom::models::index_tts

int main(int argc, char** argv) {
  using namespace greenroom::models::index_tts;  // NOLINT(google-build-using-namespace): a program's main
  try {
    const auto settings = parse(argc, argv);
    greenroom::nn::WorkspaceMeter::install();
    const c10::InferenceMode inference;
    at::set_num_threads(settings.threads);
    torch::manual_seed(1);
    if (!fs::exists(settings.folder / "bigvgan_generator.pt")) {
      write_vocoder(settings.folder / "bigvgan_generator.pt");
    }
    if (!fs::exists(settings.folder / "s2mel.pth")) write_s2mel(settings.folder / "s2mel.pth");
    fmt::print("{} threads\n", settings.threads);
    if (settings.only != "flow") run_vocoder(settings);
    if (settings.only != "vocoder") run_flow(settings);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
