// How the reference cases of the IndexTTS-2 audio networks are run. The names of arrays are those of
// the reference files.
#include <fmt/format.h>
#include <torch/torch.h>

#include <string>
#include <string_view>
#include <vector>

#include "audio/log_mel.h"
#include "audio/resample.h"
#include "audio/speech_features.h"
#include "case.h"
#include "formula.h"
#include "models/index_tts/audio_workspace.h"
#include "models/index_tts/bigvgan.h"
#include "models/index_tts/description.h"
#include "models/index_tts/flow.h"
#include "models/index_tts/regulator.h"
#include "models/index_tts/semantic_codec.h"
#include "models/index_tts/speaker_encoder.h"
#include "models/index_tts/speech_encoder.h"

namespace greenroom::golden {
namespace {

using namespace models::index_tts;  // NOLINT(google-build-using-namespace): the cases speak of nothing else

constexpr double kUnit = 3.4641016;  // amplitude of a formula's input with variance 1

torch::Tensor matrix(const std::vector<float>& values, std::int64_t columns) {
  return torch::tensor(values, torch::kFloat32).view({-1, columns});
}

// What the description counts for a component is what its network keeps.
void check_bytes(Case& golden, Component component, const nn::Weights& weights) {
  const auto counted = checkpoint::summarize(weights.file(), component_weights(component, weights.file()));
  golden.check_equal("bytes as estimated", {static_cast<std::int64_t>(weights.bytes())},
                     {static_cast<std::int64_t>(counted.bytes_as(checkpoint::DType::kFloat32))});
}

void run_frontend(Case& golden) {
  const auto& io = golden.io();
  const Arrays resampling(golden.folder() / "io_resample.safetensors");
  const auto speech = io.floats("wav16k");
  for (const std::string kind : {"a", "b", "c"}) {
    const auto samples = static_cast<std::size_t>(io.number("n16_" + kind));
    const std::vector<float> cut(speech.begin(), speech.begin() + static_cast<std::ptrdiff_t>(samples));
    const auto features = audio::seamless_features(cut);
    golden.check("feat_" + kind, matrix(features.values, 2 * audio::kSpeechMels), kNetworkLimit);
    golden.check_equal("mask_" + kind, {features.mask.begin(), features.mask.end()},
                       io.integers("mask_" + kind));
    auto fbank = audio::kaldi_fbank(cut, 1);
    golden.check("fbank_" + kind, matrix(fbank, audio::kSpeechMels), kNetworkLimit);
    audio::subtract_mean(fbank);
    golden.check("fbank_cmn_" + kind, matrix(fbank, audio::kSpeechMels), kNetworkLimit);
  }
  const auto full = io.floats("wav22k");
  golden.check("mel22", matrix(audio::log_mel(full, {}), io.tensor("mel22").size(2)), kNetworkLimit);
  const auto short_mel = io.tensor("mel22_short");
  // The reference's recording is cut to what makes so many frames.
  const std::vector<float> beginning(full.begin(), full.begin() + 5000);
  golden.check("mel22_short", matrix(audio::log_mel(beginning, {}), short_mel.size(2)), kNetworkLimit);
  const auto resample = [&](const std::string& input, int from, int to, const std::string& output) {
    golden.compare(output, torch::tensor(audio::resample_sinc(resampling.floats(input), from, to, 6)),
                   resampling.tensor(output), kNetworkLimit);
  };
  resample("wav22k", 22050, 16000, "wav16k");
  resample("wav44k", 44100, 24000, "resample_44100_24000");
  resample("wav44k", 44100, 22050, "resample_44100_22050");
  resample("wav16k", 16000, 24000, "resample_16000_24000");
}

void run_speech_encoder(Case& golden) {
  const auto& io = golden.io();
  const auto weights = golden.weights("model.safetensors");
  const auto config = read_speech_encoder_config(golden.folder() / "config.json");
  const SpeechEncoder encoder(weights, config);
  check_bytes(golden, kSpeechEncoder, weights);
  const auto states = encoder.hidden_states(io.tensor("x"), io.tensor("mask"));
  for (std::size_t i = 0; i < states.size(); ++i) {
    golden.check(fmt::format("hidden_{}", i), states[i], kNetworkLimit);
  }
  golden.compare("hidden_4 without the rest", encoder(io.tensor("x"), io.tensor("mask")),
                 io.tensor("hidden_4"), kNetworkLimit);
  const auto second = encoder.hidden_states(io.tensor("x2"), io.tensor("mask2"));
  golden.check("hidden2_2", second[2], kNetworkLimit);
  golden.check("last2", second.back(), kNetworkLimit);
  const SpeechEncoder shorter(golden.weights("model.safetensors"), config, 2);
  golden.compare("hidden_2 of two layers", shorter(io.tensor("x"), io.tensor("mask")), io.tensor("hidden_2"),
                 kNetworkLimit);
}

void run_real_speech_encoder(Case& golden) {
  const SpeechEncoder encoder(formula_weights(golden));
  const auto x = formula_tensor(901, {1, 100, 160}, 0, kUnit);
  const auto states = encoder.hidden_states(x, golden.io().tensor("mask"));
  golden.check("hidden0", states[0], kNetworkLimit);
  golden.check("hidden1", states[1], kNetworkLimit);
}

void run_semantic_codec(Case& golden) {
  const auto& io = golden.io();
  const auto weights = golden.weights("model.safetensors");
  const auto book_weights = golden.weights("model.safetensors");
  const SemanticEncoder encoder(weights);
  const SemanticCodebook book(book_weights);
  check_bytes(golden, kSemanticEncoder, weights);
  check_bytes(golden, kCodebook, book_weights);
  const auto encoded = encoder.encode(io.tensor("x"));
  golden.check("encoder_out", encoded, kNetworkLimit);
  golden.check("z_e", encoder.project(encoded).transpose(1, 2), kNetworkLimit);
  const auto codes = book.nearest(encoder(io.tensor("x")));
  golden.compare("indices", codes, io.tensor("indices"), 0);
  golden.check("S_ref", book(codes), kNetworkLimit);
  golden.check("vq2emb", book(io.tensor("codes")), kNetworkLimit);
}

void run_quantizer(Case& golden) {
  const auto& io = golden.io();
  const auto weights = golden.weights("model.safetensors");
  const SemanticCodebook book(weights);
  check_bytes(golden, kCodebook, weights);
  golden.check("vq2emb", book(io.tensor("indices")).transpose(1, 2), kNetworkLimit);
  const auto quantizer = golden.weights("model.safetensors").sub("quantizer.quantizers.0.in_project");
  const nn::Linear project{quantizer.folded_weight_norm().squeeze(2), quantizer.tensor("bias")};
  const auto codes = book.nearest(project(io.tensor("z").transpose(1, 2)));
  golden.compare("indices", codes, io.tensor("indices"), 0);
  golden.check("quantized", book(codes).transpose(1, 2), kNetworkLimit);
}

void run_real_semantic_codec(Case& golden) {
  const auto weights = formula_weights(golden);
  const SemanticEncoder encoder(weights);
  const SemanticCodebook book(weights);
  const auto projected = encoder(formula_tensor(903, {1, 60, 1024}, 0, kUnit));
  golden.check("z_e", projected.transpose(1, 2), kNetworkLimit);
  const auto codes = book.nearest(projected);
  golden.compare("indices", codes, golden.io().tensor("indices"), 0);
  golden.check("S_ref_first4", book(codes.slice(1, 0, 4)), kNetworkLimit);
}

void run_speaker_encoder(Case& golden) {
  const auto& io = golden.io();
  const auto weights = golden.weights("campplus_cn_common.bin");
  const SpeakerEncoder encoder(weights);
  check_bytes(golden, kSpeakerEncoder, weights);
  SpeakerEncoder::Stations stations;
  golden.check("emb", encoder.run(io.tensor("x"), &stations), kNetworkLimit);
  golden.check("tdnn", stations.tdnn, kNetworkLimit);
  golden.check("block1", stations.block1, kNetworkLimit);
  golden.check("emb2", encoder(io.tensor("x2")), kNetworkLimit);
}

void run_real_speaker_encoder(Case& golden) {
  const SpeakerEncoder encoder(formula_weights(golden));
  golden.check("emb", encoder(formula_tensor(902, {1, 333, 80}, 0, 6)), kNetworkLimit);
}

// One row of a batch, with a style and a time of its own.
torch::Tensor step(const FlowEstimator& estimator, const Arrays& io, const std::string& prefix,
                   std::int64_t row, FlowEstimator::Stations* stations) {
  const auto part = [&](const std::string& name) { return io.tensor(prefix + name).slice(0, row, row + 1); };
  const FlowCondition condition{part("mu"), part("prompt_x").transpose(1, 2), part("style")};
  const float time = io.floats(prefix + "t").at(static_cast<std::size_t>(row));
  const auto prepared = estimator.prepare(condition, {&time, 1}, false, 0);
  return estimator.run(part("x").transpose(1, 2), 0, prepared, stations);
}

void check_step(Case& golden, const FlowEstimator& estimator) {
  std::vector<torch::Tensor> velocity, merged, layer0, transformer, wavenet;
  const auto& io = golden.io();
  for (std::int64_t row = 0; row < 2; ++row) {
    FlowEstimator::Stations stations;
    velocity.push_back(step(estimator, io, "dit_", row, &stations));
    merged.push_back(stations.merged);
    layer0.push_back(stations.layer0);
    transformer.push_back(stations.transformer);
    wavenet.push_back(stations.wavenet);
  }
  golden.check("cap_t1", estimator.embed_times(io.floats("dit_t")), kNetworkLimit);
  golden.check("cap_merge", torch::cat(merged), kNetworkLimit);
  golden.check("cap_layer0", torch::cat(layer0), kNetworkLimit);
  golden.check("cap_transformer", torch::cat(transformer), kNetworkLimit);
  golden.check("cap_wavenet", torch::cat(wavenet), kNetworkLimit);
  golden.check("dit_out", torch::cat(velocity).transpose(1, 2), kNetworkLimit);
}

void check_flow(Case& golden, const FlowEstimator& estimator) {
  const auto& io = golden.io();
  const FlowCondition condition{io.tensor("cfm_mu"), io.tensor("cfm_prompt").transpose(1, 2),
                                io.tensor("cfm_style")};
  const auto solve = [&](const FlowOptions& options, const std::string& reference) {
    RecordedNoise noise;
    noise.add("flow", io.tensor("cfm_z"));
    const auto mel = integrate_flow(estimator, condition, options, noise);
    const std::int64_t first = condition.reference.size(1);
    golden.compare(reference, torch::constant_pad_nd(mel, {first, 0}), io.tensor(reference), kNetworkLimit);
  };
  solve({}, "cfm_out");
  solve({5, 0, 1}, "cfm_out_5steps_nocfg");
}

void run_s2mel(Case& golden) {
  const auto& io = golden.io();
  const auto flow_weights = golden.weights("s2mel.pth");
  const auto regulator_weights = golden.weights("s2mel.pth");
  const FlowEstimator estimator(flow_weights,
                                golden.meta().at("config").at("DiT").at("num_heads").get<int>());
  const Regulator regulator(regulator_weights);
  check_bytes(golden, kFlow, flow_weights);
  check_bytes(golden, kRegulator, regulator_weights);
  check_step(golden, estimator);
  check_flow(golden, estimator);
  const Arrays two(golden.folder() / "io_T2.safetensors");
  golden.compare("out (two frames)", step(estimator, two, "", 0, nullptr).transpose(1, 2), two.tensor("out"),
                 kNetworkLimit);
  for (const std::int64_t frames : {22, 30, 13, 7}) {
    golden.check(fmt::format("lr_out_{}", frames), regulator.stretch(io.tensor("lr_in"), frames),
                 kNetworkLimit);
  }
  golden.check("gpt_layer_out", regulator.project_latent(io.tensor("gpt_layer_in")), kNetworkLimit);
  std::vector<std::int64_t> frames;
  for (const auto codes : io.integers("target_len_in")) frames.push_back(target_frames(codes));
  golden.check_equal("target_len", frames, io.integers("target_len_out"));
}

void run_real_s2mel(Case& golden) {
  const auto& io = golden.io();
  const auto weights = formula_weights(golden);
  const FlowEstimator estimator(weights, 8);
  const Regulator regulator(weights);
  const auto input = [](std::int64_t index, torch::IntArrayRef shape) {
    return formula_tensor(index, shape, 0, kUnit).slice(0, 0, 1);
  };
  // The reference is a guided batch: the second row without reference, style and content, at the same time.
  const auto x = formula_tensor(904, {2, 80, 40}, 0, kUnit).transpose(1, 2);
  const FlowCondition condition{input(907, {2, 40, 512}), input(905, {2, 80, 40}).transpose(1, 2),
                                input(906, {2, 192})};
  std::vector<torch::Tensor> rows;
  const auto times = io.floats("t");
  for (std::int64_t row = 0; row < 2; ++row) {
    const auto prepared = estimator.prepare(condition, times, true, 0);
    rows.push_back(estimator.velocity(x.slice(0, row, row + 1), row, prepared).slice(0, row, row + 1));
  }
  golden.check("dit_out", torch::cat(rows).transpose(1, 2), kNetworkLimit);
  golden.check("lr_out", regulator.stretch(input(908, {1, 25, 1024}), 43), kNetworkLimit);
  golden.check("gpt_layer_out", regulator.project_latent(input(909, {1, 5, 1280})), kNetworkLimit);
}

void run_vocoder(Case& golden) {
  const auto& io = golden.io();
  const auto config = read_vocoder_config(golden.folder() / "config.json");
  for (const std::string file : {"bigvgan_generator.pt", "bigvgan_generator_nowm.pt"}) {
    const auto weights = golden.weights(file);
    const Vocoder vocoder(weights, config);
    check_bytes(golden, kVocoder, weights);
    const auto named = [&](const std::string& reference, const torch::Tensor& ours) {
      golden.compare(
          file == "bigvgan_generator.pt" ? reference : reference + " (weight norm folded in the file)", ours,
          io.tensor(reference), kNetworkLimit);
    };
    const auto begun = vocoder.begin(io.tensor("mel"));
    named("conv_pre", begun);
    const auto doubled = vocoder.stage(0).upsample(begun);
    named("ups0", doubled);
    named("act0", vocoder.stage(0).first_activation(doubled));
    named("resblock0", vocoder.stage(0).first_block(doubled));
    named("wav", vocoder.synthesize(io.tensor("mel")));
  }
  // In pieces, as long input is, against the whole at once.
  const Vocoder vocoder(golden.weights("bigvgan_generator.pt"), config);
  const auto mel = io.tensor("mel").repeat({1, 1, 2 * kVocoderPieceFrames / 9 + 1});
  golden.compare("in pieces, as in one", vocoder.synthesize(mel), torch::clamp(vocoder.unclamped(mel), -1, 1),
                 kNetworkLimit);
}

void run_vocoder_end(Case& golden) {
  const auto weights = golden.weights("bigvgan_generator.pt");
  const auto generator = weights.has("generator.ups.5.0.bias") ? weights.sub("generator") : weights;
  const VocoderConfig config;
  const VocoderStage stage(generator, config, 5);
  const VocoderEnd end(generator, config);
  golden.check("pre_clamp", end(stage(golden.io().tensor("x"))), kNetworkLimit);
}

void run_real_vocoder(Case& golden) {
  const Vocoder vocoder(formula_weights(golden), VocoderConfig());
  golden.check("pre_clamp", vocoder.unclamped(formula_tensor(910, {1, 80, 5}, -4, 6)), kNetworkLimit);
}

// What runs a case whose name begins so.
const Kinds& kinds() {
  static const Kinds kKinds = {
      {"frontend", run_frontend},
      {"w2vbert_tiny", run_speech_encoder},
      {"real_w2vbert_layer", run_real_speech_encoder},
      {"semantic_codec_tiny", run_semantic_codec},
      {"semantic_quantizer_real", run_quantizer},
      {"real_semantic_codec", run_real_semantic_codec},
      {"campplus_tiny", run_speaker_encoder},
      {"real_campplus", run_real_speaker_encoder},
      {"s2mel_tiny", run_s2mel},
      {"real_s2mel", run_real_s2mel},
      {"bigvgan_v2_tiny", run_vocoder},
      {"bigvgan_v2_last_stage_real", run_vocoder_end},
      {"real_bigvgan", run_real_vocoder},
  };
  return kKinds;
}

}  // namespace

bool run_index_tts_audio_case(Case& golden) {
  return run_by_name(golden, kinds());
}

}  // namespace greenroom::golden
