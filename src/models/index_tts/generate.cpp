#include "models/index_tts/generate.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>

#include "base/error.h"
#include "models/index_tts/code_search.h"

namespace greenroom::models::index_tts {
namespace {

using base::Error;
using base::ErrorCode;

DecodePlan plan_for(const std::vector<GenerationSegment>& segments, const GenerationOptions& options) {
  DecodePlan plan{static_cast<int>(segments.size()), options.num_beams, 0, options.max_mel_tokens - 1};
  for (const auto& segment : segments) plan.prefix = std::max(plan.prefix, segment.prefix.size(1));
  return plan;
}

void require_fitting(const Gpt& gpt, const GenerationOptions& options) {
  options.validate();
  if (options.max_mel_tokens <= gpt.max_codes()) return;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("max_mel_tokens is {}; the model has positions for {}",
                                                       options.max_mel_tokens, gpt.max_codes()));
}

void stop_when_cancelled(const GenerationControl& control) {
  if (control.cancelled != nullptr && control.cancelled->load(std::memory_order_relaxed))
    throw Error(ErrorCode::kCancelled, "the generation of speech was cancelled");
}

// One segment's part in the next step.
void append(std::span<const CodeSearch::Next> next, int first_row, std::vector<GptDecoder::Input>& inputs) {
  for (std::size_t beam = 0; beam < next.size(); ++beam) {
    inputs.push_back({first_row + static_cast<int>(beam), first_row + next[beam].parent, next[beam].code});
  }
}

}  // namespace

std::vector<GeneratedCodes> generate(const Gpt& gpt, std::vector<GenerationSegment> segments,
                                     const GenerationOptions& options, const GenerationControl& control) {
  require_fitting(gpt, options);
  if (segments.empty()) return {};
  const auto decoder = make_decoder(gpt, plan_for(segments, options), control.decoder);
  std::vector<CodeSearch> searches;
  std::vector<int> open;  // segments that go on
  for (std::size_t i = 0; i < segments.size(); ++i) {
    stop_when_cancelled(control);
    auto own = options;
    own.do_sample = options.do_sample && segments[i].picker != nullptr;
    searches.emplace_back(own, gpt.code_space(), segments[i].picker.get());
    decoder->start(static_cast<int>(i), segments[i].prefix);
    open.push_back(static_cast<int>(i));
  }
  std::vector<GptDecoder::Input> inputs;
  while (true) {
    inputs.clear();
    std::vector<int> still_open;
    for (const int i : open) {
      const auto next = searches[static_cast<std::size_t>(i)].advance(decoder->logits(i));
      if (next.empty()) continue;
      append(next, i * options.num_beams, inputs);
      still_open.push_back(i);
    }
    if (control.progress)
      control.progress(searches[static_cast<std::size_t>(open[0])].steps(), options.max_mel_tokens);
    open = std::move(still_open);
    if (open.empty()) break;
    stop_when_cancelled(control);
    decoder->step(inputs);
  }
  std::vector<GeneratedCodes> results;
  for (auto& search : searches) results.push_back(search.finish());
  return results;
}

}  // namespace greenroom::models::index_tts
