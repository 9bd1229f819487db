// IndexTTS-2's GPT at its real dimensions with random weights: codes per second, where a step's time goes,
// and how far it is from what memory allows. See docs/benchmarks.md.
//
//   greenroom_gpt_bench [CODES [LAYERS [THREADS [DEVICE]]]]
//
// On a GPU, in float16: a step launched kernel by kernel, and the same as a CUDA graph. With one thread the
// figures are processor time, so that a machine that others use can be measured too; run it with
// OPENBLAS_NUM_THREADS=1 then.
#include "models/index_tts/gpt.h"

#include <ATen/Parallel.h>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "models/index_tts/generate.h"
#include "models/index_tts/gpt_workspace.h"
#include "nn/device_stream.h"
#include "nn/guard.h"
#include "nn/row_kernels.h"
#include "nn/weight_block.h"
#include "nn/workspace_measurement.h"
#include "support/memory_weights.h"
#include "support/random_gpt.h"

namespace greenroom::models::index_tts {
namespace {

constexpr std::int64_t kWidth = 1280;
constexpr std::int64_t kInner = 5120;
constexpr std::int64_t kCodes = 8194;
constexpr std::int64_t kTextTokens = 12001;
constexpr std::int64_t kText = 60;  // tokens of the segment

bool measures_processor_time = false;

double seconds_now() {
  if (measures_processor_time) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double seconds_of(const std::function<void()>& body) {
  const double started = seconds_now();
  body();
  return seconds_now() - started;
}

std::map<std::string, torch::Tensor> random_weights(std::int64_t layers) {
  auto tensors = test::random_gpt({layers, kWidth, kInner, kCodes, kTextTokens, 602, 1818}, 0.05);
  tensors["mel_head.bias"][kCodes - 1] = -1000;  // never stops
  return tensors;
}

std::vector<const torch::Tensor*> step_weights(const Gpt& gpt) {
  std::vector<const torch::Tensor*> weights;
  for (const auto& block : gpt.blocks()) {
    for (const auto* linear : {&block.qkv, &block.out, &block.up, &block.down})
      weights.push_back(&linear->weight);
  }
  weights.push_back(&gpt.head().weight);
  return weights;
}

// How fast all weights of a step can be read at all: summed, by all threads.
double seconds_to_read(const Gpt& gpt) {
  double total = 0;
  const double seconds = seconds_of([&] {
    for (const auto* weight : step_weights(gpt)) total += weight->sum().item<double>();
  });
  if (total == 0.125) fmt::print("\n");  // keeps the sums
  return seconds;
}

// The products of a step and nothing else.
double seconds_of_products(const Gpt& gpt, std::int64_t rows) {
  const auto x = torch::rand({rows, kInner});
  auto y = torch::zeros({rows, kCodes});
  return seconds_of([&] {
    for (const auto& block : gpt.blocks()) {
      for (const auto* linear : {&block.qkv, &block.out, &block.up, &block.down}) {
        nn::multiply_rows({x.data_ptr<float>(), linear->weight.data_ptr<float>(), nullptr,
                           y.data_ptr<float>(), rows, linear->weight.size(0), linear->weight.size(1)});
      }
    }
    nn::multiply_rows_transposed({x.data_ptr<float>(), gpt.head().weight.data_ptr<float>(), nullptr,
                                  y.data_ptr<float>(), rows, kWidth, kCodes});
  });
}

// The best of a few: other programs only ever make it slower.
double best_of(int times, const std::function<double()>& measure) {
  double best = measure();
  for (int i = 1; i < times; ++i) best = std::min(best, measure());
  return best;
}

struct Speed {
  double prefix_seconds = 0;
  double seconds_per_step = 0;  // the median
  double search_seconds = 0;    // per step
  std::uint64_t peak_bytes = 0;
  std::vector<std::int64_t> codes;  // that were chosen
};

base::DeviceId device_of(const Gpt& gpt) {
  return nn::to_device_id(gpt.mel_embedding().device());
}

GptSizes sizes_of(const Gpt& gpt) {
  GptSizes sizes{.layers = static_cast<std::int64_t>(gpt.blocks().size())};
  sizes.element_bytes = gpt.mel_embedding().element_size();
  return sizes;
}

const char* name_of(DecoderKind kind) {
  if (kind == DecoderKind::kRows) return "row kernels";
  return kind == DecoderKind::kGraph ? "CUDA graph" : "libtorch";
}

Speed measure(const Gpt& gpt, const torch::Tensor& prefix, int beams, std::int64_t codes, DecoderKind kind) {
  GenerationOptions options;
  options.num_beams = beams;
  options.max_mel_tokens = codes;
  Speed speed;
  const nn::DeviceStream stream(device_of(gpt));
  const nn::WorkspaceMeasurement workspace(device_of(gpt));
  SeededPicker picker(1, 0);
  CodeSearch search(options, gpt.code_space(), &picker);
  const auto decoder = make_decoder(gpt, {1, beams, prefix.size(1), codes - 1}, kind);
  speed.prefix_seconds = seconds_of([&] { decoder->start(0, prefix); });
  std::vector<double> steps;
  std::vector<double> searches;
  while (true) {
    std::span<const CodeSearch::Next> next;
    searches.push_back(seconds_of([&] { next = search.advance(decoder->logits(0)); }));
    if (next.empty()) break;
    std::vector<GptDecoder::Input> inputs;
    for (std::size_t i = 0; i < next.size(); ++i)
      inputs.push_back({static_cast<int>(i), next[i].parent, next[i].code});
    steps.push_back(seconds_of([&] { decoder->step(inputs); }));
  }
  std::nth_element(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2), steps.end());
  std::nth_element(searches.begin(), searches.begin() + static_cast<std::ptrdiff_t>(searches.size() / 2),
                   searches.end());
  speed.seconds_per_step = steps[steps.size() / 2];
  speed.search_seconds = searches[searches.size() / 2];
  speed.peak_bytes = workspace.peak_bytes();
  speed.codes = search.finish().codes;
  return speed;
}

void report(const Gpt& gpt, std::int64_t codes) {
  std::vector<std::int64_t> text;
  for (std::int64_t i = 0; i < kText; ++i) text.push_back(2 + i * 131 % 11000);
  const auto speaker = torch::rand({1, 32, kWidth}) - 0.5;
  const auto emotion = torch::rand({1, kWidth}) - 0.5;
  const auto prefix = gpt.prefix(speaker, emotion, text);
  double bytes = 0;
  for (const auto* weight : step_weights(gpt)) bytes += static_cast<double>(weight->nbytes());
  const double floor = best_of(5, [&] { return seconds_to_read(gpt); });
  fmt::print(
      "{} layers, {} threads, prefix {}, {} codes; a step's weights: {:.2f} GB, read in {:.1f} ms ({:.1f} "
      "GB/s)\n\n",
      gpt.blocks().size(), at::get_num_threads(), prefix.size(1), codes, bytes / 1e9, floor * 1e3,
      bytes / floor / 1e9);
  fmt::print("{:<22} {:>9} {:>8} {:>9} {:>9} {:>9} {:>8} {:>8} {:>11}\n", "", "prefix ms", "codes/s",
             "step ms", "products", "rest", "search", "of limit", "workspace");
  const bool on_cpu = gpt.mel_embedding().device().is_cpu();
  const auto kinds = on_cpu ? std::array{DecoderKind::kRows, DecoderKind::kPortable}
                            : std::array{DecoderKind::kPortable, DecoderKind::kGraph};
  for (const int beams : {1, 3}) {
    std::vector<std::int64_t> chosen;
    for (const auto kind : kinds) {
      const auto speed = measure(gpt, prefix, beams, codes, kind);
      if (!chosen.empty() && speed.codes != chosen)
        fmt::print("{} chooses other codes than {}\n", name_of(kind), name_of(kinds[0]));
      chosen = speed.codes;
      const double products =
          kind == DecoderKind::kRows ? best_of(5, [&] { return seconds_of_products(gpt, beams); }) : 0;
      const auto reserved = generation_workspace_bytes(sizes_of(gpt), {prefix.size(1), codes, beams, 1});
      fmt::print("{:<22} {:>9.0f} {:>8.2f} {:>9.1f} {:>9.1f} {:>9.1f} {:>8.2f} {:>7.0f}% {:>4} of {} MB\n",
                 fmt::format("{} beam{}, {}", beams, beams > 1 ? "s" : "", name_of(kind)),
                 speed.prefix_seconds * 1e3, 1 / (speed.seconds_per_step + speed.search_seconds),
                 speed.seconds_per_step * 1e3, products * 1e3, (speed.seconds_per_step - products) * 1e3,
                 speed.search_seconds * 1e3, 100 * floor / speed.seconds_per_step, speed.peak_bytes >> 20,
                 reserved >> 20);
    }
  }
  std::vector<std::int64_t> spoken(static_cast<std::size_t>(codes), 7);
  const nn::DeviceStream stream(device_of(gpt));
  const nn::WorkspaceMeasurement workspace(device_of(gpt));
  const double latents = seconds_of([&] { gpt.latents(speaker, emotion, text, spoken).cpu(); });
  fmt::print("\nlatents of {} codes: {:.0f} ms, workspace {} of {} MB\n", codes, latents * 1e3,
             workspace.peak_bytes() >> 20,
             latents_workspace_bytes(sizes_of(gpt), prefix.size(1) + codes + 1) >> 20);
}

}  // namespace
}  // namespace greenroom::models::index_tts

int main(int argc, char** argv) {
  using namespace greenroom;  // NOLINT(google-build-using-namespace)
  const std::int64_t codes = argc > 1 ? std::atoll(argv[1]) : 40;
  const std::int64_t layers = argc > 2 ? std::atoll(argv[2]) : 24;
  const int threads = argc > 3 ? std::atoi(argv[3]) : static_cast<int>(std::thread::hardware_concurrency());
  const auto device = base::parse_device_id(argc > 4 ? argv[4] : "cpu");
  if (codes < 2 || codes > 1800 || layers < 1 || threads < 1 || !device) {
    fmt::print(stderr, "usage: greenroom_gpt_bench [CODES [LAYERS [THREADS [DEVICE]]]]\n");
    return 2;
  }
  nn::WorkspaceMeter::install();
  const c10::InferenceMode inference;
  at::set_num_threads(threads);
  const bool on_cpu = device->kind == base::DeviceKind::kCpu;
  models::index_tts::measures_processor_time = on_cpu && threads == 1;
  const auto in_memory = test::memory_weights(models::index_tts::random_weights(layers));
  const nn::Weights weights(in_memory.file(), *device, nullptr,
                            on_cpu ? checkpoint::DType::kFloat32 : checkpoint::DType::kFloat16);
  const models::index_tts::Gpt gpt(weights, {});
  models::index_tts::report(gpt, codes);
  return 0;
}
