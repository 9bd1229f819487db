// The decoders of IndexTTS-2's GPT beside each other, and what makes a step fit for a CUDA graph.
#include <ATen/record_function.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "models/index_tts/gpt.h"
#include "models/index_tts/gpt_decoder.h"
#include "models/index_tts/portable_decoder.h"
#include "support/memory_weights.h"
#include "support/random_gpt.h"

namespace greenroom::models::index_tts {
namespace {

constexpr std::int64_t kWidth = 32;
constexpr std::int64_t kCodes = 50;
constexpr int kLayers = 3;
constexpr std::int64_t kPrefix = 9;

Gpt small_gpt() {
  torch::manual_seed(11);
  const auto tensors = test::random_gpt({kLayers, kWidth, 4 * kWidth, kCodes, 20, 30, 60}, 1);
  GptConfig config;
  config.heads = 4;
  config.start_mel_token = kCodes - 2;
  config.stop_mel_token = kCodes - 1;
  return {test::memory_weights(tensors), config};
}

const DecodePlan kPlan{.segments = 2, .beams = 3, .prefix = kPrefix, .codes = 24};

void start(GptDecoder& decoder) {
  torch::manual_seed(12);
  for (int segment = 0; segment < kPlan.segments; ++segment)
    decoder.start(segment, torch::randn({1, kPrefix - segment * 2, kWidth}));
}

// Codes and parents of a step, the same for all decoders; the second segment ends early.
std::vector<GptDecoder::Input> inputs_of(int step) {
  std::vector<GptDecoder::Input> inputs;
  for (int segment = 0; segment < (step < 10 ? 2 : 1); ++segment) {
    for (int beam = 0; beam < kPlan.beams; ++beam) {
      const int first = segment * kPlan.beams;
      const int parent = (beam * 2 + step / 3) % kPlan.beams;
      inputs.push_back({first + beam, first + parent, (step * 7 + beam * 13 + segment) % kCodes});
    }
  }
  return inputs;
}

std::vector<float> scores_of(GptDecoder& decoder, int segment) {
  const auto scores = decoder.logits(segment);
  return {scores.begin(), scores.end()};
}

using Scores = std::vector<std::vector<float>>;

Scores decode(GptDecoder& decoder) {
  Scores all;
  start(decoder);
  for (int step = 0; step < kPlan.codes; ++step) {
    decoder.step(inputs_of(step));
    all.push_back(scores_of(decoder, 0));
    if (step < 10) all.push_back(scores_of(decoder, 1));
  }
  return all;
}

void expect_same(const Scores& scores, const Scores& expected) {
  ASSERT_EQ(scores.size(), expected.size());
  for (std::size_t i = 0; i < scores.size(); ++i)
    EXPECT_THAT(scores[i], testing::Pointwise(testing::FloatNear(2e-4F), expected[i])) << i;
}

TEST(PortableDecoder, ScoresAsTheRowKernelsDo) {
  const auto gpt = small_gpt();
  const auto rows = make_decoder(gpt, kPlan, DecoderKind::kRows);
  const auto portable = make_decoder(gpt, kPlan, DecoderKind::kPortable);
  expect_same(decode(*portable), decode(*rows));
}

// 9 + 1 + 24 * 3 keys: at 7 a step now and then looks at more, at 16 four or five have the same number, at
// 1000 all look at all.
TEST(PortableDecoder, KeysToComeChangeNothing) {
  const auto gpt = small_gpt();
  PortableDecoder exact(gpt, kPlan);
  const auto expected = decode(exact);
  for (const std::int64_t granularity : {7, 16, 1000}) {
    PortableDecoder padded(gpt, kPlan, granularity);
    expect_same(decode(padded), expected);
  }
}

// An operation, with the shapes and numbers it was given, and the memory of its tensors.
struct Operation {
  std::string text;
  std::vector<const c10::StorageImpl*> memory;
};

// The operations of this thread while it lives. Every tensor stays alive in `seen`, so that no address means
// two things.
class Trace {
 public:
  explicit Trace(std::vector<torch::Tensor>& seen) : seen_(seen) {
    current = this;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&on_start).needsInputs(true));
  }
  ~Trace() {
    at::removeCallback(handle_);
    current = nullptr;
  }
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  const std::vector<Operation>& operations() const { return operations_; }

 private:
  static std::unique_ptr<at::ObserverContext> on_start(const at::RecordFunction& function) {
    current->note(function);
    return nullptr;
  }

  void note(const at::RecordFunction& function) {
    std::ostringstream text;
    Operation operation;
    text << function.name();
    for (const auto& value : function.inputs()) {
      if (value.isTensor() && value.toTensor().defined()) {
        const auto& tensor = value.toTensor();
        text << ' ' << tensor.sizes() << '+' << tensor.storage_offset();
        operation.memory.push_back(tensor.storage().unsafeGetStorageImpl());
        seen_.push_back(tensor);
      } else if (value.isScalar() || value.isIntList()) {
        text << ' ' << value;
      }
    }
    operation.text = text.str();
    operations_.push_back(std::move(operation));
  }

  static thread_local Trace* current;
  std::vector<torch::Tensor>& seen_;
  at::CallbackHandle handle_ = 0;
  std::vector<Operation> operations_;
};

thread_local Trace* Trace::current = nullptr;

// Of each step what a CUDA graph keeps: the operations in order, and where those tensors are that more than
// one step uses. What a step makes for itself is the graph's.
std::vector<std::vector<std::string>> trace_of(GptDecoder& decoder, int steps) {
  std::vector<torch::Tensor> seen;
  std::vector<std::vector<Operation>> traces;
  std::map<const c10::StorageImpl*, std::set<int>> users;
  start(decoder);
  for (int step = 0; step < steps; ++step) {
    const Trace trace(seen);
    decoder.step(inputs_of(step));
    traces.push_back(trace.operations());
    for (const auto& operation : traces.back()) {
      for (const auto* memory : operation.memory) users[memory].insert(step);
    }
  }
  std::vector<std::vector<std::string>> lines;
  for (const auto& trace : traces) {
    auto& step = lines.emplace_back();
    for (const auto& [text, memory] : trace) {
      std::ostringstream line;
      line << text;
      for (const auto* storage : memory) {
        if (users[storage].size() > 1) line << " @" << storage;
      }
      step.push_back(line.str());
    }
  }
  return lines;
}

// On a GPU a step is recorded and replayed: this holds on the CPU, too, and shows what cannot be.
TEST(PortableDecoder, StepsWithTheSameKeysAreTheSameOperations) {
  const auto gpt = small_gpt();
  PortableDecoder decoder(gpt, kPlan, 16);
  const auto traces = trace_of(decoder, 14);
  ASSERT_GT(traces[0].size(), 20U * kLayers);
  int kinds = 1;
  for (std::size_t step = 1; step < traces.size(); ++step) {
    const auto keys = [](std::size_t i) {
      return (kPrefix + 1 + (static_cast<std::int64_t>(i) + 1) * 3 + 15) / 16;
    };
    if (keys(step) == keys(step - 1)) {
      EXPECT_EQ(traces[step], traces[step - 1]) << step;
    } else {
      ++kinds;
      EXPECT_NE(traces[step], traces[step - 1]) << step;
    }
  }
  EXPECT_EQ(kinds, 4);
}

// The device is waited for once, by the copy of the scores: an operation that reads a number from a tensor
// would wait in between, and cannot be recorded.
TEST(PortableDecoder, AStepReadsNoNumberFromTheDevice) {
  const auto gpt = small_gpt();
  PortableDecoder decoder(gpt, kPlan, 16);
  for (const auto& trace : trace_of(decoder, 3)) {
    for (const auto& line : trace) {
      EXPECT_THAT(line, testing::Not(testing::HasSubstr("_local_scalar_dense")));
      EXPECT_THAT(line, testing::Not(testing::HasSubstr("nonzero")));
      EXPECT_THAT(line, testing::Not(testing::HasSubstr("aten::item")));
    }
  }
}

}  // namespace
}  // namespace greenroom::models::index_tts
