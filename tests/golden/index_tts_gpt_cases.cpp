// The reference cases of IndexTTS-2's GPT: conditioning, generation with recorded draws, processors, a block
// of the real size; and of the emotion model. The names of arrays are those of the reference files.
#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "case.h"
#include "models/index_tts/conditioners.h"
#include "models/index_tts/emotion_llm.h"
#include "models/index_tts/generate.h"
#include "models/index_tts/gpt.h"
#include "models/index_tts/score_processors.h"
#include "support/memory_weights.h"

namespace greenroom::golden {
namespace {

using namespace models::index_tts;  // NOLINT(google-build-using-namespace): the cases speak of nothing else

GptConfig config_of(const base::Json& meta) {
  const auto& config = meta.at("config");
  GptConfig gpt;
  gpt.heads = config.at("heads").get<int>();
  gpt.start_mel_token = config.at("start_mel_token").get<int>();
  gpt.stop_mel_token = config.at("stop_mel_token").get<int>();
  return gpt;
}

// Copies of all tensors of a file.
std::map<std::string, torch::Tensor> tensors_of(const nn::Weights& weights) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& entry : weights.file().tensors())
    tensors[entry.first] = weights.tensor(entry.first).clone();
  return tensors;
}

// The draws of a run of the official program, step by step; and what it drew from, for the first steps.
class RecordedPicker : public CodePicker {
 public:
  explicit RecordedPicker(const torch::Tensor& picks) : picks_(picks.view({picks.size(0), -1})) {}

  std::vector<std::int64_t> pick(std::span<const Candidate> candidates, int count) override {
    seen_.emplace_back(candidates.begin(), candidates.end());
    const auto row = picks_[static_cast<std::int64_t>(seen_.size()) - 1].contiguous();
    if (row.numel() != count)
      throw base::Error(base::ErrorCode::kInternal, "the case has another number of draws");
    return {row.data_ptr<std::int64_t>(), row.data_ptr<std::int64_t>() + count};
  }

  torch::Tensor probabilities(std::size_t step, std::int64_t size) const {
    auto dense = torch::zeros({size});
    for (const auto& candidate : seen_.at(step)) dense[candidate.index] = candidate.probability;
    return dense;
  }

 private:
  torch::Tensor picks_;
  std::vector<std::vector<Candidate>> seen_;
};

// One loaded case and what all its runs share.
struct GptCase {
  Case& golden;
  const Gpt& gpt;
  torch::Tensor speaker;
  torch::Tensor emotion;
  std::vector<std::int64_t> text;
  DecoderKind decoder;
  std::string suffix;  // of the quantities' names
};

GenerationOptions options_of(const Case& golden) {
  const auto& params = golden.meta().at("params");
  GenerationOptions options;
  options.repetition_penalty = params.at("rep").get<double>();
  options.temperature = params.at("temperature").get<double>();
  options.top_k = params.at("top_k").get<int>();
  options.top_p = params.at("top_p").get<double>();
  options.length_penalty = params.at("length_penalty").get<double>();
  options.num_beams = params.at("num_beams").get<int>();
  options.max_mel_tokens = golden.meta().at("max_new_tokens").get<std::int64_t>();
  return options;
}

GeneratedCodes run(const GptCase& test, const GenerationOptions& options,
                   std::shared_ptr<CodePicker> picker = nullptr) {
  GenerationControl control;
  control.decoder = test.decoder;
  return generate(test.gpt, {{test.gpt.prefix(test.speaker, test.emotion, test.text), std::move(picker)}},
                  options, control)
      .at(0);
}

void check_codes(const GptCase& test, const std::string& reference, const GeneratedCodes& ours) {
  auto codes = ours.codes;
  if (ours.stopped) codes.push_back(test.gpt.code_space().stop);
  test.golden.check_equal(reference + test.suffix, codes, test.golden.io().integers(reference));
}

void check_score(const GptCase& test, const std::string& reference, const GeneratedCodes& ours) {
  test.golden.compare(reference + test.suffix, torch::tensor({ours.score}),
                      test.golden.io().tensor(reference), kNetworkLimit);
}

// The scores of every step of a run whose codes are known.
torch::Tensor logits_along(const GptCase& test, const std::vector<std::int64_t>& codes) {
  const auto prefix = test.gpt.prefix(test.speaker, test.emotion, test.text);
  const auto count = static_cast<std::int64_t>(codes.size());
  const auto decoder = make_decoder(test.gpt, {1, 1, prefix.size(1), count}, test.decoder);
  decoder->start(0, prefix);
  std::vector<torch::Tensor> steps;
  for (const auto code : codes) {
    const auto logits = decoder->logits(0);
    steps.push_back(torch::tensor(std::vector<float>(logits.begin(), logits.end())));
    decoder->step(std::vector<GptDecoder::Input>{{0, 0, code}});
  }
  return torch::stack(steps);
}

void run_greedy(const GptCase& test) {
  const auto& io = test.golden.io();
  auto options = options_of(test.golden);
  options.num_beams = 1;
  check_codes(test, "greedy_codes", run(test, options));
  options.repetition_penalty = 1;
  check_codes(test, "greedy_codes_norep", run(test, options));
  const auto logits = logits_along(test, io.integers("greedy_codes"));
  test.golden.compare("greedy_logits" + test.suffix, logits, io.tensor("greedy_logits"), kNetworkLimit);
}

void run_beams(const GptCase& test) {
  const auto& io = test.golden.io();
  auto options = options_of(test.golden);
  auto ours = run(test, options);
  check_codes(test, "beam_codes", ours);
  check_score(test, "beam_score", ours);

  const auto picker = std::make_shared<RecordedPicker>(io.tensor("bsample_picks"));
  ours = run(test, options, picker);
  check_codes(test, "bsample_codes", ours);
  check_score(test, "bsample_score", ours);
  const std::int64_t all = options.num_beams * test.gpt.code_space().codes;
  for (const std::size_t step : {0, 1}) {
    const auto name = fmt::format("bsample_probs{}", step);
    test.golden.compare(name + test.suffix, picker->probabilities(step, all), io.tensor(name), kNetworkLimit);
  }

  options.num_beams = 1;
  const auto single = std::make_shared<RecordedPicker>(io.tensor("sample_picks"));
  check_codes(test, "sample_codes", run(test, options, single));
  test.golden.compare("sample_probs0" + test.suffix, single->probabilities(0, test.gpt.code_space().codes),
                      io.tensor("sample_probs0"), kNetworkLimit);
}

void run_eos(const GptCase& test) {
  const auto& io = test.golden.io();
  auto options = options_of(test.golden);
  auto ours = run(test, options);
  check_codes(test, "eos_beam_codes", ours);
  check_score(test, "eos_beam_score", ours);
  ours = run(test, options, std::make_shared<RecordedPicker>(io.tensor("eos_bsample_picks")));
  check_codes(test, "eos_bsample_codes", ours);
  check_score(test, "eos_bsample_score", ours);
  options.num_beams = 1;
  check_codes(test, "eos_greedy_codes", run(test, options));
}

void run_padded_text(GptCase test) {
  const auto& io = test.golden.io();
  test.text = io.integers("pad_text");
  const auto prefix = test.gpt.prefix(test.speaker, test.emotion, test.text);
  const auto theirs = io.tensor("pad_prefix_embeds");
  const std::int64_t pads = theirs.size(1) - prefix.size(1);
  test.golden.compare("pad_prefix_embeds", torch::constant_pad_nd(prefix, {0, 0, pads, 0}), theirs,
                      kNetworkLimit);
  auto options = options_of(test.golden);
  options.num_beams = 1;
  const auto codes = io.integers("pad_greedy_codes");
  options.max_mel_tokens = static_cast<std::int64_t>(codes.size());
  check_codes(test, "pad_greedy_codes", run(test, options));
  test.golden.compare("pad_greedy_logits" + test.suffix, logits_along(test, codes),
                      io.tensor("pad_greedy_logits"), kNetworkLimit);
}

// Segments of different lengths decoded together give what each gives alone.
void run_side_by_side(const GptCase& test) {
  const auto options = options_of(test.golden);
  std::vector<GenerationSegment> segments;
  std::vector<std::int64_t> text = test.text;
  std::vector<std::int64_t> alone;
  for (std::uint64_t i = 0; i < 3; ++i) {
    const auto prefix = test.gpt.prefix(test.speaker, test.emotion, text);
    GenerationControl control;
    control.decoder = test.decoder;
    const auto codes =
        generate(test.gpt, {{prefix, std::make_shared<SeededPicker>(5, i)}}, options, control).at(0).codes;
    alone.insert(alone.end(), codes.begin(), codes.end());
    segments.push_back({prefix, std::make_shared<SeededPicker>(5, i)});
    text.resize(text.size() - 2);
  }
  GenerationControl control;
  control.decoder = test.decoder;
  std::vector<std::int64_t> together;
  for (const auto& result : generate(test.gpt, segments, options, control))
    together.insert(together.end(), result.codes.begin(), result.codes.end());
  test.golden.check_equal("three segments side by side" + test.suffix, together, alone);
}

void run_conditioning(Case& golden, const nn::Weights& weights, GptCase& test) {
  const auto& io = golden.io();
  const SpeakerConditioner speaker(weights);
  const EmotionConditioner emotion(weights);
  const auto features = io.tensor("spk_cond_emb");
  golden.check("embed_out", speaker.conformer().embed(features), kNetworkLimit);
  golden.check("pos_emb", speaker.conformer().positions(io.tensor("pos_emb").size(1)), kNetworkLimit);
  golden.check("conformer_out", speaker.conformer()(features), kNetworkLimit);
  test.speaker = speaker(features);
  golden.check("cond_latent", test.speaker, kNetworkLimit);
  const auto from_speaker = emotion(features);
  const auto from_emotion = emotion(io.tensor("emo_cond_emb"));
  golden.check("emovec_spk", from_speaker, kNetworkLimit);
  golden.check("emovec_emo", from_emotion, kNetworkLimit);
  test.emotion = merge_emotion(from_speaker, from_emotion, 0.65);
  golden.check("emovec_merged_065", test.emotion, kNetworkLimit);
}

void run_gpt_v2_tiny(Case& golden) {
  const auto& io = golden.io();
  const auto weights = golden.weights("gpt.pth");
  const Gpt gpt(weights, config_of(golden.meta()));
  GptCase test{golden, gpt, {}, {}, io.integers("text"), DecoderKind::kRows, ""};
  run_conditioning(golden, weights, test);
  golden.check("prefix_embeds", gpt.prefix(test.speaker, test.emotion, test.text), kNetworkLimit);
  const auto codes = io.integers("latent_codes");
  golden.check("latent", gpt.latents(test.speaker, test.emotion, test.text, codes), kNetworkLimit);
  // The "eos" runs have a head whose stop code is likelier.
  auto eager_tensors = tensors_of(weights);
  auto& bias = eager_tensors.at("mel_head.bias");
  bias[gpt.code_space().stop] += io.tensor("eos_bias")[0];
  const Gpt eager(test::memory_weights(eager_tensors), config_of(golden.meta()));
  constexpr std::array<std::pair<DecoderKind, const char*>, 3> kKinds{
      {{DecoderKind::kRows, ""}, {DecoderKind::kPortable, " (portable)"}, {DecoderKind::kGraph, " (graph)"}}};
  for (const auto& [kind, suffix] : kKinds) {
    test.decoder = kind;
    test.suffix = suffix;
    run_greedy(test);
    run_beams(test);
    run_eos({golden, eager, test.speaker, test.emotion, test.text, kind, test.suffix});
    run_padded_text(test);
    run_side_by_side(test);
  }
}

void run_logits_processors(Case& golden) {
  const auto& io = golden.io();
  const auto ids = io.tensor("input_ids");
  struct Setting {
    const char* name;
    double repetition = 10, temperature = 1;
    int top_k = 0;
    double top_p = 1;
    int beams = 1;
    bool typical = false;
  };
  const Setting settings[] = {{"rep"},
                              {"rep_t", 10, 0.8},
                              {"rep_t_k", 10, 0.8, 30},
                              {"full1", 10, 0.8, 30, 0.8},
                              {"full3", 10, 0.8, 30, 0.8, 3},
                              {"topp_small3", 1, 0.8, 30, 0.01, 3},
                              {"typical3", 10, 0.8, 30, 0.8, 3, true},
                              {"k1_3", 1, 1, 1, 1, 3}};
  for (const std::string kind : {"lsm_", "raw_"}) {
    for (const auto& setting : settings) {
      GenerationOptions options;
      options.repetition_penalty = setting.repetition;
      options.temperature = setting.temperature;
      options.top_k = setting.top_k;
      options.top_p = setting.top_p;
      options.num_beams = setting.beams;
      options.typical_sampling = setting.typical;
      const auto logits = io.tensor("logits").clone();
      for (std::int64_t row = 0; row < logits.size(0); ++row) {
        const std::span<float> scores(logits[row].data_ptr<float>(),
                                      static_cast<std::size_t>(logits.size(1)));
        if (kind == "lsm_") log_softmax(scores);
        const auto history = ids[row].contiguous();
        process_scores(scores, {history.data_ptr<std::int64_t>(), static_cast<std::size_t>(history.numel())},
                       options);
      }
      // What is removed is -infinity on both sides or the difference is seen.
      const auto finite = [](const torch::Tensor& t) { return t.clamp_min(-1e6); };
      const auto name = kind + setting.name;
      golden.compare(name, finite(logits), finite(io.tensor(name)), 1e-6);
    }
  }
}

// Upstream's rule for the large cases: an integer hash of a tensor's place in the table and of the element's.
torch::Tensor from_formula(torch::IntArrayRef shape, std::int64_t place, double offset, double amplitude) {
  auto tensor = torch::empty(shape);
  float* values = tensor.data_ptr<float>();
  for (std::int64_t j = 0; j < tensor.numel(); ++j) {
    auto h = static_cast<std::uint32_t>(static_cast<std::uint64_t>(j) * 2654435761U +
                                        static_cast<std::uint64_t>(place) * 40503U + 12345U);
    h ^= h >> 16;
    h *= 2246822519U;
    h ^= h >> 13;
    values[j] = static_cast<float>(offset + amplitude * (h / 4294967296.0 - 0.5));
  }
  return tensor;
}

torch::Tensor from_formula(const base::Json& row) {
  return from_formula(row.at(1).get<std::vector<std::int64_t>>(), row.at(2).get<std::int64_t>(),
                      row.at(3).get<double>(), row.at(4).get<double>());
}

void run_real_gpt_block(Case& golden) {
  std::map<std::string, torch::Tensor> tensors;
  const auto formula = golden.json("weights_formula.json");
  for (const auto& row : formula.at("tensors")) tensors[row.at(0).get<std::string>()] = from_formula(row);
  const std::int64_t width = tensors.at("final_norm.weight").size(0);
  for (const std::string name : {"text_embedding", "text_pos_embedding.emb", "mel_pos_embedding.emb"})
    tensors[name + ".weight"] = torch::zeros({8, width});
  tensors["speed_emb.weight"] = torch::zeros({2, width});
  tensors["mel_embedding.weight"] = torch::zeros_like(tensors.at("mel_head.weight"));
  const Gpt gpt(test::memory_weights(tensors), GptConfig{});

  const auto& input = golden.meta().at("input");
  const auto x =
      from_formula(input.at("shape").get<std::vector<std::int64_t>>(), input.at("idx").get<std::int64_t>(),
                   input.at("off").get<double>(), input.at("amp").get<double>())[0];
  const auto hidden = gpt.run_blocks(x, {});
  golden.check("hidden_ln_f", gpt.first_norm()(hidden), kNetworkLimit);
  golden.check("last_logits", gpt.score(hidden.slice(0, x.size(0) - 1)), kNetworkLimit);
  // Masked keys in front are keys that are not there.
  golden.check("hidden_ln_f_masked", gpt.first_norm()(gpt.run_blocks(x.slice(0, 3), {})), kNetworkLimit);
}

void run_qwen3_tiny(Case& golden) {
  const auto config = golden.json("config.json");
  EmotionLlmConfig own;
  own.attention_heads = config.at("num_attention_heads").get<int>();
  own.key_value_heads = config.at("num_key_value_heads").get<int>();
  own.head_dim = config.at("head_dim").get<int>();
  own.max_position_embeddings = config.at("max_position_embeddings").get<int>();
  const EmotionLlm llm(golden.weights("model.safetensors"), own);
  const auto prompt = golden.io().integers("input_ids");
  auto cache = llm.make_cache(static_cast<std::int64_t>(prompt.size()));
  const auto hidden = llm.run(prompt, cache);
  golden.check("last_hidden", hidden, kNetworkLimit);
  golden.check("logits", llm.score(hidden), kNetworkLimit);
  // The same token by token, through the cache.
  auto stepped = llm.make_cache(static_cast<std::int64_t>(prompt.size()));
  std::vector<torch::Tensor> steps;
  for (const auto& token : prompt) steps.push_back(llm.run(std::span(&token, 1), stepped));
  golden.compare("last_hidden, step by step", torch::cat(steps), golden.io().tensor("last_hidden"),
                 kNetworkLimit);
  LlmRequest request;
  request.prompt = prompt;
  const auto greedy = golden.io().integers("greedy");
  request.max_new_tokens = static_cast<std::int64_t>(greedy.size());
  golden.check_equal("greedy", llm.generate(request), greedy);
}

}  // namespace

bool run_index_tts_gpt_case(Case& golden) {
  if (golden.name() == "gpt_v2_tiny") {
    run_gpt_v2_tiny(golden);
  } else if (golden.name() == "gpt_logits_processors") {
    run_logits_processors(golden);
  } else if (golden.name() == "real_gpt_block") {
    run_real_gpt_block(golden);
  } else if (golden.name() == "qwen3_tiny") {
    run_qwen3_tiny(golden);
  } else {
    return false;
  }
  return true;
}

}  // namespace greenroom::golden
