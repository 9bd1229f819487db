// How each kind of DDSP-SVC reference case is run. The names of arrays are those of the reference files.
#include <fmt/format.h>
#include <torch/torch.h>

#include <charconv>
#include <cstdlib>
#include <functional>
#include <optional>
#include <utility>

#include "audio/frames.h"
#include "audio/join.h"
#include "audio/loudness.h"
#include "audio/mel_filters.h"
#include "audio/pitch.h"
#include "audio/resample.h"
#include "audio/slicer.h"
#include "base/error.h"
#include "case.h"
#include "models/ddsp_svc/pipeline.h"
#include "nn/weight_block.h"

namespace greenroom::golden {
namespace {

using namespace models::ddsp_svc;  // NOLINT(google-build-using-namespace): the cases speak of nothing else

std::vector<double> numbers_after(const std::string& name, const std::string& prefix) {
  std::vector<double> numbers;
  std::size_t at = prefix.size();
  while (at < name.size()) {
    const std::size_t end = std::min(name.find('_', at), name.size());
    double value = 0;
    const auto [parsed, error] = std::from_chars(name.data() + at, name.data() + end, value);
    if (error != std::errc() || parsed != name.data() + end) return {};
    numbers.push_back(value);
    at = end + 1;
  }
  return numbers;
}

// Calls `body` with i = 0, 1, ... for as long as io() has "<stem>i".
void for_each_numbered(const Case& golden, const std::string& stem,
                       const std::function<void(const std::string&)>& body) {
  for (int i = 0; golden.io().has(fmt::format("{}{}", stem, i)); ++i) body(fmt::format("{}", i));
}

std::vector<float> to_vector(const torch::Tensor& tensor) {
  const auto flat = tensor.to(torch::kFloat32).flatten().contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

void run_f0_regrid(Case& golden) {
  for_each_numbered(golden, "params_", [&](const std::string& i) {
    const auto params = golden.io().doubles("params_" + i);  // sr_in, sr_model, block, samples, hop
    const double hop = params.at(4);
    const std::int64_t frames = audio::frame_count(static_cast<std::int64_t>(params[3]), hop);
    for (const std::string kind : {"", "alluv_"}) {
      const auto track = golden.io().floats("in_" + kind + i);
      auto f0 = audio::regrid_pitch(track, 0.01, hop, static_cast<int>(params[0]), frames);
      auto filled = f0;
      audio::fill_unvoiced(filled, 50);
      golden.check("uv1_" + kind + i, filled, kNetworkLimit);
      golden.check("uv0_" + kind + i, f0, kNetworkLimit);
    }
  });
}

void run_join_align_resample(Case& golden) {
  const auto& io = golden.io();
  for (const auto& name : io.names()) {
    if (const auto at = numbers_after(name, "cf_"); name.starts_with("cf_") && at.size() == 1) {
      const auto a = io.doubles("cf_a");
      std::vector<double> joined(a.begin(), a.end());
      audio::append_segment(joined, io.floats("cf_b"), static_cast<std::int64_t>(at[0]));
      golden.check(name, joined, kNetworkLimit);
    } else if (const auto rates = numbers_after(name, "rs_in_");
               name.starts_with("rs_in_") && rates.size() == 2) {
      const auto ours =
          audio::resample_sinc(io.floats(name), static_cast<int>(rates[0]), static_cast<int>(rates[1]));
      golden.check(fmt::format("rs_out_{}_{}", static_cast<int>(rates[0]), static_cast<int>(rates[1])), ours,
                   kNetworkLimit);
    } else if (const auto size = numbers_after(name, "up_out_");
               name.starts_with("up_out_") && size.size() == 1) {
      const auto input = io.tensor("up_in").squeeze(0);
      std::vector<torch::Tensor> channels;
      for (std::int64_t c = 0; c < input.size(1); ++c) {
        const auto frames = to_vector(input.select(1, c));
        channels.push_back(
            torch::tensor(audio::upsample_frames({frames.begin(), frames.end()}, static_cast<int>(size[0])),
                          torch::kFloat32));
      }
      golden.check(name, torch::stack(channels, 1), kNetworkLimit);
    }
  }
  for_each_numbered(golden, "align_", [&](const std::string& i) {
    const auto params =
        io.doubles("align_params_" + i);  // sr_in, sr_model, block, T, enc_hop, n_units, hop, ratio
    const std::int64_t frames = audio::frame_count(static_cast<std::int64_t>(params.at(3)), params[6]);
    golden.check_equal("align_" + i,
                       alignment_indexes(static_cast<std::int64_t>(params[5]), params[7], frames),
                       io.integers("align_" + i));
  });
}

void run_slicer(Case& golden) {
  const auto& io = golden.io();
  const int rate = golden.meta().at("sr").get<int>();
  const auto rows = [](const std::vector<audio::Segment>& segments) {
    std::vector<std::int64_t> flat;
    for (const auto& s : segments) flat.insert(flat.end(), {s.start_frame, s.first_sample, s.end_sample});
    for (std::size_t i = 2; i < flat.size(); i += 3) flat[i] -= flat[i - 1];  // the cases record lengths
    return flat;
  };
  for (const auto& name : io.names()) {
    if (!name.starts_with("audio_")) continue;
    auto samples = io.floats(name);
    for (auto& sample : samples) sample /= 32768;
    for (const char* hop : {"i", "f"}) {
      const std::string reference = "segments_" + name.substr(6) + "_" + hop;
      if (!io.has(reference)) continue;
      auto theirs = io.integers(reference);
      for (std::size_t i = 2; i < theirs.size(); i += 3) theirs[i] -= theirs[i - 1];
      golden.check_equal(
          reference,
          rows(audio::slice(samples, rate, golden.meta().at(fmt::format("hop_{}", hop)).get<double>())),
          theirs);
    }
  }
}

void run_volume_mask(Case& golden) {
  const auto& io = golden.io();
  const double threshold = golden.meta().at("threshold_db").get<double>();
  for_each_numbered(golden, "params_", [&](const std::string& i) {
    const auto params = io.doubles("params_" + i);  // sr_in, sr_model, block, smooth, hop, win
    const auto samples = io.floats("audio_" + i);
    const int block = static_cast<int>(params.at(2));
    const auto one = [&](const std::string& kind, const std::vector<float>& volume, int dilate) {
      golden.check("vol_" + kind + "_" + i, volume, kNetworkLimit);
      const auto mask = audio::loudness_mask(volume, threshold, dilate);
      golden.check("mask_frames_" + kind + "_" + i, mask, 0);
      golden.check("mask_" + kind + "_" + i, audio::upsample_frames(mask, block), kNetworkLimit);
    };
    one("a", audio::volume_rms(samples, params[4]), 4);
    one("b", audio::volume_deviation(samples, params[4], params[5]), 0);
  });
}

VocoderConfig mel_settings(int rate) {
  VocoderConfig config;
  if (rate == 44100) return config;
  config.sampling_rate = rate;
  config.num_mels = 20;
  config.n_fft = config.win_size = 256;
  config.hop_size = 64;
  config.fmax = 4000;
  return config;
}

void run_mel(Case& golden) {
  const auto& io = golden.io();
  constexpr std::int64_t kShortSamples = 700;
  for (const auto& name : io.names()) {
    if (!name.starts_with("mel_a_") && !name.starts_with("mel_b_")) continue;
    const auto magnitude = name[4] == 'a' ? MelMagnitude::kSmoothed : MelMagnitude::kPlain;
    const int rate = std::atoi(name.c_str() + 6);
    const MelExtractor extract(mel_settings(rate), magnitude, torch::kCPU);
    auto audio = io.tensor(fmt::format("audio_{}", rate)).unsqueeze(0);
    if (name.ends_with("_short")) audio = audio.slice(1, 0, kShortSamples);
    const auto shift_at = name.find("_ks");
    const double shift = shift_at == std::string::npos ? 0 : std::atof(name.c_str() + shift_at + 3);
    golden.check(name, extract(audio, shift).transpose(1, 2), kNetworkLimit);
  }
  const auto row_sums = [](const torch::Tensor& filters) { return filters.sum(1); };
  golden.check("mel_basis_44100_rowsum",
               row_sums(MelExtractor(mel_settings(44100), MelMagnitude::kPlain, torch::kCPU).filters()),
               kNetworkLimit);
  golden.check("mel_basis_8000",
               MelExtractor(mel_settings(8000), MelMagnitude::kPlain, torch::kCPU).filters(), kNetworkLimit);
  const auto rmvpe = audio::mel_filters(16000, 1024, 128, 30, 8000, audio::MelScale::kHtk);
  golden.check("mel_basis_rmvpe_rowsum", row_sums(torch::tensor(rmvpe, torch::kFloat32).view({128, 513})),
               kNetworkLimit);
}

void run_rmvpe(Case& golden) {
  const auto& io = golden.io();
  const PitchNet net(golden.weights());
  const auto audio = io.tensor("audio_16k");
  golden.check("mel", net.log_mel(audio), kNetworkLimit);
  const auto mel = net.log_mel(audio);
  const std::int64_t padded = (mel.size(2) + 31) / 32 * 32;
  const auto unet = net.unet(torch::constant_pad_nd(mel, {0, padded - mel.size(2)}));
  golden.check("enc_out", unet.encoder, kNetworkLimit);
  golden.check("inter_out", unet.intermediate, kNetworkLimit);
  golden.check("unet_out", unet.decoder.slice(2, 0, io.tensor("unet_out").size(2)), kNetworkLimit);
  const auto salience = net.salience(audio, PitchPadding::kLogMel);
  golden.check("hidden_melpad", salience, kNetworkLimit);
  golden.check("f0_melpad", PitchNet::decode(salience), kNetworkLimit);
  golden.check("f0_audiopad", net.track(audio, PitchPadding::kAudio), kNetworkLimit);
  golden.check("syn_f0", PitchNet::decode(io.tensor("syn_hidden")), kNetworkLimit);

  constexpr int kRate = 11025;
  const auto samples = io.floats("audio_11025");
  const auto resampled = torch::tensor(audio::resample_sinc(samples, kRate, 16000), torch::kFloat32);
  const double hop = io.number("hop_11025");
  const std::int64_t frames = audio::frame_count(static_cast<std::int64_t>(samples.size()), hop);
  const auto regrid = [&](PitchPadding padding) {
    return audio::regrid_pitch(net.track(resampled, padding), 0.01, hop, kRate, frames);
  };
  golden.check("f0_11025_raw", net.track(resampled, PitchPadding::kLogMel), kNetworkLimit);
  auto f0 = regrid(PitchPadding::kLogMel);
  const auto unfilled = f0;
  audio::fill_unvoiced(f0, 50);
  golden.check("f0_11025_uv0", unfilled, kNetworkLimit);
  golden.check("f0_11025_uv1", f0, kNetworkLimit);
  auto audio_padded = regrid(PitchPadding::kAudio);
  audio::fill_unvoiced(audio_padded, 50);
  golden.check("f0_11025_uv1_audiopad", audio_padded, kNetworkLimit);
}

void check_encoder(Case& golden, const std::string& file) {
  const auto& io = golden.io();
  const int heads = golden.meta().at("config").at("heads").get<int>();
  const ContentEncoder net(golden.weights(file), UnitsKind::kLayer12, heads);
  const auto audio = io.tensor("audio").unsqueeze(0);
  const auto named = [&](const std::string& reference, const torch::Tensor& ours) {
    golden.compare(file == "weights.pt" ? reference : reference + " (Hugging Face keys)", ours,
                   io.tensor(reference), kNetworkLimit);
  };
  named("conv_features", net.conv_features(audio));
  named("post_proj", net.project(net.conv_features(audio)));
  for (const int layer : {1, 9, 12}) named(fmt::format("layer_{}", layer), net.layer_output(audio, layer));
  named("c768l12", net.encode(audio));
  named("layer12_min400", net.layer_output(audio.slice(1, 0, 400), 12));
  const ContentEncoder projecting(golden.weights(file), UnitsKind::kLayer9Proj, heads);
  named("layer9_final_proj", projecting.encode(audio));
  for (const auto& name : io.names()) {
    const auto size = numbers_after(name, "tta_");
    if (!name.starts_with("tta_") || size.size() != 1) continue;
    named(name, net.encode_tta2x(audio.slice(1, 0, static_cast<std::int64_t>(size[0]))));
  }
}

void run_hubert(Case& golden) {
  check_encoder(golden, "weights.pt");
  check_encoder(golden, "weights_hf.pt");
  const auto& io = golden.io();
  const int heads = golden.meta().at("config").at("heads").get<int>();
  for (const auto& name : io.names()) {
    if (!name.starts_with("units_")) continue;
    const int rate = std::atoi(name.c_str() + 6);
    const std::string encoder = name.substr(name.find('_', 6) + 1);
    const auto samples = io.floats(fmt::format("audio_{}", rate));
    const ContentEncoder net(golden.weights(), units_kind(encoder), heads);
    const auto resampled = torch::tensor(audio::resample_sinc(samples, rate, 16000), torch::kFloat32);
    const double hop = 64.0 * rate / 8000;  // the tiny models' block and rate
    const int encoder_hop = units_kind(encoder) == UnitsKind::kLayer12Tta2x ? 160 : 320;
    golden.check(name,
                 align_units(net.encode(resampled.unsqueeze(0)), hop, rate, encoder_hop, 16000,
                             audio::frame_count(static_cast<std::int64_t>(samples.size()), hop)),
                 kNetworkLimit);
  }
}

void run_vocoder(Case& golden) {
  const auto& io = golden.io();
  const auto config = read_vocoder_config(golden.folder() / "config.json");
  const auto mel = io.tensor("mel").transpose(1, 2);
  const auto noise = [&] {
    RecordedNoise recorded;
    if (io.has("rand_ini")) {
      recorded.add("rand_ini", io.tensor("rand_ini"));
      recorded.add("vocoder", io.tensor("noise"));
    }
    return recorded;
  };
  const auto one = [&](bool log10, const std::string& f0, const std::string& audio, const std::string& har) {
    const Vocoder vocoder(golden.weights(), config, log10);
    auto draws = noise();
    if (!har.empty())
      golden.compare(har, vocoder.excitation(io.tensor(f0), draws), io.tensor(har), kWaveLimit);
    draws = noise();
    golden.check(audio, vocoder.synthesize(mel, io.tensor(f0), draws), kWaveLimit);
  };
  one(false, "f0", "audio", "har");
  one(false, "f0_uv", "audio_uv", "har_uv");
  if (io.has("audio_log10")) one(true, "f0", "audio_log10", "");
}

VocoderConfig voice_mel_settings(const base::Json& mel) {
  VocoderConfig config;
  config.sampling_rate = mel.at("sr").get<int>();
  config.num_mels = mel.at("n_mels").get<int>();
  config.n_fft = mel.at("n_fft").get<int>();
  config.win_size = mel.at("win").get<int>();
  config.hop_size = mel.at("hop").get<int>();
  config.fmin = mel.at("fmin").get<double>();
  config.fmax = mel.at("fmax").get<double>();
  return config;
}

void check_flow(Case& golden, const Voice& voice) {
  const auto& io = golden.io();
  const auto to_frames = [](const torch::Tensor& x) {
    return x.squeeze(1).transpose(1, 2);
  };  // [1,1,m,n] -> [1,n,m]
  const auto prepared = voice.velocity().prepare(io.tensor("vel_cond").transpose(1, 2));
  const auto times = io.floats("vel_t");
  for (std::size_t i = 0; i < times.size(); ++i) {
    const auto v = voice.velocity()(to_frames(io.tensor("vel_x")), 1000 * times[i], prepared);
    golden.compare(fmt::format("vel_out_{}", i), v, to_frames(io.tensor(fmt::format("vel_out_{}", i))),
                   kNetworkLimit);
  }
  for (const auto& name : io.names()) {
    for (const std::string method : {"euler", "rk4"}) {
      const std::string prefix = "flow_" + method + "_";
      const auto numbers = name.starts_with(prefix) ? numbers_after(name, prefix) : std::vector<double>{};
      if (numbers.size() != 2) continue;
      const FlowOptions options{static_cast<int>(numbers[0]),
                                method == "rk4" ? models::OdeMethod::kRk4 : models::OdeMethod::kEuler,
                                numbers[1]};
      golden.check(name,
                   integrate_flow(voice.velocity(), io.tensor("ddsp_mel"), to_frames(io.tensor("flow_noise")),
                                  options),
                   kNetworkLimit);
    }
  }
}

void run_voice(Case& golden) {
  const auto& io = golden.io();
  const auto config = read_voice_config(golden.folder() / "config.yaml");
  const auto weights = golden.weights();
  const Generation generation = detect_generation(weights.file(), config);
  const Voice voice(weights, generation, config);
  golden.check_equal(
      fmt::format("bytes as estimated (generation {})", generation_name(generation)),
      {static_cast<std::int64_t>(weights.bytes())},
      {static_cast<std::int64_t>(checkpoint::summarize(weights.file(), voice_weights(weights.file()))
                                     .bytes_as(checkpoint::DType::kFloat32))});
  const MelExtractor extract(voice_mel_settings(golden.meta().at("mel")), mel_magnitude(generation),
                             torch::kCPU);
  VoiceInput input{io.tensor("units"), io.tensor("f0"), io.tensor("volume"), {}, io.number("aug_shift")};
  input.speakers = {{static_cast<int>(io.number("spk_id")), 1.0}};
  const auto draw = [&](const std::string& name) {
    RecordedNoise noise;
    noise.add("ddsp", io.tensor(name));
    return noise;
  };
  auto noise = draw("ddsp_noise");
  const auto sketch = voice.sketch(input, noise);
  golden.check("combtooth", sketch.source.comb.reshape({1, -1}), kWaveLimit);
  if (io.has("phase_frames")) golden.check("phase_frames", sketch.source.phase_frames, kNetworkLimit);
  golden.check("ctrl_harmonic_magnitude", sketch.controls.harmonic_magnitude, kNetworkLimit);
  golden.check("ctrl_harmonic_phase", sketch.controls.harmonic_phase, kNetworkLimit);
  golden.check("ctrl_noise_magnitude", sketch.controls.noise_magnitude, kNetworkLimit);
  golden.check("ctrl_noise_phase", sketch.controls.noise_phase, kNetworkLimit);
  golden.check("ctrl_hidden", sketch.controls.hidden, kNetworkLimit);
  golden.check("ddsp_wav", sketch.audio, kWaveLimit);
  golden.check("ddsp_mel", extract(sketch.audio), kNetworkLimit);
  check_flow(golden, voice);

  auto full_noise = draw("full_noise_ddsp");
  const auto full_mel = extract(voice.sketch(input, full_noise).audio);
  const FlowOptions options{4, models::OdeMethod::kEuler, 0.25};
  golden.check("full_mel",
               integrate_flow(voice.velocity(), full_mel,
                              io.tensor("full_noise_flow").squeeze(1).transpose(1, 2), options),
               kConversionLimit);
  if (!io.has("mix_ids")) return;
  input.speakers.clear();
  const auto ids = io.integers("mix_ids");
  const auto mix_weights = io.doubles("mix_weights");
  for (std::size_t i = 0; i < ids.size(); ++i)
    input.speakers.emplace_back(static_cast<int>(ids[i]), mix_weights[i]);
  auto mix_noise = draw("ddsp_noise");
  golden.check("mix_ddsp_wav", voice.sketch(input, mix_noise).audio, kWaveLimit);
}

// The command line recorded in meta.json, later flags winning over earlier ones as argparse has it.
models::ConvertOptions parse_command_line(const base::Json& cli) {
  models::ConvertOptions options;
  options.t_start = 0.0;  // the official program's default
  for (std::size_t i = 0; i + 1 < cli.size(); i += 2) {
    const auto flag = cli[i].get<std::string>();
    const auto value = cli[i + 1].get<std::string>();
    const bool is_auto = value == "auto";
    if (flag == "-k") options.key_semitones = std::stod(value);
    if (flag == "-f") options.formant_semitones = std::stod(value);
    if (flag == "-id") options.speaker = std::stoi(value);
    if (flag == "-th") options.threshold_db = std::stod(value);
    if (flag == "-v") options.vocal_register_semitones = std::stod(value);
    if (flag == "-step") options.steps = is_auto ? std::nullopt : std::optional<int>(std::stoi(value));
    if (flag == "-ts") options.t_start = is_auto ? std::nullopt : std::optional<double>(std::stod(value));
    if (flag == "-method" && !is_auto) {
      options.method = value == "rk4" ? models::OdeMethod::kRk4 : models::OdeMethod::kEuler;
    }
    if (flag == "-mix" && value != "None") {
      std::string list = value.substr(1, value.size() - 2) + ",";
      for (std::size_t at = 0, end = 0; (end = list.find(',', at)) != std::string::npos; at = end + 1) {
        const auto colon = list.find(':', at);
        options.speaker_mix.emplace_back(std::stoi(list.substr(at)), std::stod(list.substr(colon + 1)));
      }
    }
  }
  return options;
}

// Converts every segment with the recorded draws and compares what each step produced.
void check_segments(Case& golden, const Networks& networks, const audio::Buffer& input,
                    const Analysis& analysis, const ResolvedOptions& resolved, const std::string& suffix,
                    double network_limit, double wave_limit) {
  const Arrays segments(golden.folder() / "segments.safetensors");
  StageClock clock;
  std::vector<double> joined;
  for (std::size_t i = 0; i < analysis.segments.size(); ++i) {
    RecordedNoise noise;
    for (const auto& [file, draw] :
         {std::pair{"ddsp", "ddsp"}, {"flow", "flow"}, {"rand_ini", "rand_ini"}, {"voc", "vocoder"}}) {
      const auto path = golden.folder() / fmt::format("noise_{}_{}.safetensors", file, i);
      if (std::filesystem::exists(path)) noise.add(draw, Arrays(path).tensor("v"));
    }
    const auto output =
        convert_segment(networks, nn::to_torch(device()), input, analysis, i, resolved, noise, clock);
    const auto compare = [&](const char* quantity, const torch::Tensor& ours, double limit) {
      const auto name = fmt::format("{}_{}", quantity, i);
      const auto theirs = segments.tensor(name).squeeze();
      const bool is_wave = theirs.dim() == 1;
      golden.compare(name + suffix, is_wave ? ours.squeeze().slice(0, 0, theirs.size(0)) : ours, theirs,
                     limit);
    };
    compare("units", output.units, kNetworkLimit);
    compare("ddsp_wav", output.sketch, wave_limit);
    compare("ddsp_mel", output.sketch_mel, network_limit);
    compare("mel", output.mel, network_limit);
    compare("seg_audio", output.audio, wave_limit);
    join_segment(joined, output.audio, analysis, i, networks.voice.config().block_size);
  }
  golden.compare("result" + suffix, torch::tensor(joined, torch::kFloat64), golden.io().tensor("result"),
                 wave_limit);
}

void run_conversion(Case& golden) {
  const auto& io = golden.io();
  const auto shared = golden.folder().parent_path();
  const auto config = read_voice_config(golden.folder() / "config.yaml");
  const auto vocoder_config = read_vocoder_config(golden.folder() / "vocoder.json");
  std::vector<Row> unused;
  const Case hubert(shared / "hubert_contentvec", unused);
  const Case rmvpe(shared / "rmvpe", unused);
  const auto weights = golden.device_weights();
  const Generation generation = detect_generation(weights.file(), config);
  const Voice voice(weights, generation, config);
  const Vocoder vocoder(golden.device_weights("vocoder.pt"), vocoder_config,
                        config.vocoder_type == "nsf-hifigan-log10");
  const ContentEncoder encoder(hubert.device_weights(), units_kind(config.encoder),
                               hubert.meta().at("config").at("heads").get<int>());

  audio::Buffer input;
  input.sample_rate = static_cast<int>(io.number("sr_in"));
  for (const float sample : io.floats("audio_int16")) input.samples.push_back(sample / 32768);
  const auto options = parse_command_line(golden.meta().at("cli"));
  const auto resolved =
      resolve_options(options, config, vocoder_config, generation, voice.speakers(), voice.shifts_formants());
  auto analysis = analyse(input, config, generation, options);
  analysis.f0 = analyse_pitch(PitchNet(rmvpe.device_weights()), nn::to_torch(device()), input, config,
                              generation, options);
  golden.check("f0", analysis.f0, kNetworkLimit);
  golden.check("volume", analysis.volume, kNetworkLimit);
  golden.check_equal("segments", {static_cast<std::int64_t>(analysis.segments.size())},
                     {golden.meta().at("segments").get<std::int64_t>()});

  const Networks networks{encoder, voice, vocoder};
  check_segments(golden, networks, input, analysis, resolved, "", kConversionLimit, kConversionLimit);
  // The last bits of the pitch add up in the phase of the comb; with the recorded pitch the rest must agree
  // closely.
  analysis.f0 = io.doubles("f0");
  check_segments(golden, networks, input, analysis, resolved, " (recorded f0)", kNetworkLimit, kWaveLimit);
}

}  // namespace

bool run_ddsp_svc_case(Case& golden) {
  static const Kinds kKinds = {
      {"f0_regrid", run_f0_regrid},
      {"join_align_resample", run_join_align_resample},
      {"slicer", run_slicer},
      {"volume_mask", run_volume_mask},
      {"mel", run_mel},
      {"rmvpe", run_rmvpe},
      {"hubert_contentvec", run_hubert},
      {"vocoder", run_vocoder},
      {"voice_", run_voice},
      {"e2e_6", run_conversion},
  };
  return run_by_name(golden, kKinds);
}

}  // namespace greenroom::golden
