#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>

#include "app/engine.h"
#include "audio/file.h"
#include "base/bytes.h"
#include "base/error.h"
#include "cli/by_daemon.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output_file.h"
#include "cli/progress_bar.h"

namespace greenroom::cli {
namespace {

using base::Error;
using base::ErrorCode;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t kMostTextBytes = 16 << 20;

std::string read_stream(std::istream& stream, const std::string& name) {
  std::string text;
  char buffer[65536];
  while (stream.read(buffer, sizeof(buffer)) || stream.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(stream.gcount()));
    if (text.size() > kMostTextBytes) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{}: larger than 16 MiB, that is no text to speak", name));
    }
  }
  return text;
}

std::string read_text(const SpeakArguments& arguments) {
  if (arguments.text) return *arguments.text;
  if (!arguments.text_file.empty() && arguments.text_file != "-") {
    std::error_code ignored;
    std::ifstream file(arguments.text_file, std::ios::binary);
    if (!std::filesystem::is_regular_file(arguments.text_file, ignored) || !file) {
      throw Error(ErrorCode::kNotFound, fmt::format("{}: no such text file", arguments.text_file.string()));
    }
    return read_stream(file, arguments.text_file.string());
  }
  if (arguments.text_file.empty() && ::isatty(STDIN_FILENO) != 0) {
    throw Error(ErrorCode::kInvalidArgument, "no text: give --text, --text-file, or pipe it in");
  }
  return read_stream(std::cin, "standard input");
}

models::SpeakRequest make_request(const SpeakArguments& arguments) {
  models::SpeakRequest request;
  request.text = read_text(arguments);
  request.voice = audio::read_file(arguments.voice);
  if (!arguments.emotion_audio.empty()) request.emotion_audio = audio::read_file(arguments.emotion_audio);
  request.emotion_vector = arguments.emotion_vector;
  request.use_emotion_text = arguments.emotion_text.has_value();
  request.emotion_text = arguments.emotion_text.value_or("");
  return request;
}

// Speech tokens that a stage dealt with in a second; nullopt: it deals with none.
std::optional<double> tokens_per_second(const models::SpeakResult& result, const models::StageTime& stage) {
  if (stage.stage == "reference" || stage.stage == "emotion_text" || stage.seconds <= 0) return std::nullopt;
  return static_cast<double>(result.speech_tokens) / stage.seconds;
}

// "generation 31.2, latents 204.1, flow 12.0, vocoder 40.5"
std::string rates_of(const models::SpeakResult& result) {
  std::string text;
  for (const auto& stage : result.stage_times) {
    if (const auto rate = tokens_per_second(result, stage))
      text += fmt::format("{}{} {:.1f}", text.empty() ? "" : ", ", stage.stage, *rate);
  }
  return text;
}

void print_timings(const models::SpeakResult& result) {
  const double seconds = result.audio.seconds();
  for (const auto& stage : result.stage_times) {
    fmt::print("  {:<12} {:8.3f} s  real-time factor {:.3f}", stage.stage, stage.seconds,
               stage.seconds / seconds);
    if (const auto rate = tokens_per_second(result, stage)) fmt::print("  {:.1f} tokens/s", *rate);
    fmt::print("\n");
  }
}

std::uint64_t resident_bytes(const app::Engine& engine) {
  std::uint64_t resident = 0;
  for (const auto& device : engine.status().devices) resident += device.ledger.resident;
  return resident;
}

std::string flag_text(bool value) {
  return value ? "true" : "false";
}

int speak_by_daemon(Daemon& daemon, const SpeakArguments& arguments, const models::SpeakRequest& request) {
  const auto& options = arguments.options;
  server::AudioJob job;
  job.path = "/api/v1/speak";
  job.files = {{"file", arguments.voice}};
  job.fields = {{"text", request.text},
                {"emotion_weight", number_text(options.emotion_weight)},
                {"emotion_bias", flag_text(options.emotion_bias)},
                {"use_random", flag_text(options.use_random)},
                {"do_sample", flag_text(options.do_sample)},
                {"num_beams", std::to_string(options.num_beams)},
                {"temperature", number_text(options.temperature)},
                {"top_p", number_text(options.top_p)},
                {"top_k", std::to_string(options.top_k)},
                {"repetition_penalty", number_text(options.repetition_penalty)},
                {"length_penalty", number_text(options.length_penalty)},
                {"typical_sampling", flag_text(options.typical_sampling)},
                {"typical_mass", number_text(options.typical_mass)},
                {"max_mel_tokens", std::to_string(options.max_mel_tokens)},
                {"max_text_tokens_per_segment", std::to_string(options.max_text_tokens_per_segment)},
                {"quick_streaming_tokens", std::to_string(options.quick_streaming_tokens)},
                {"interval_silence_ms", std::to_string(options.interval_silence_ms)},
                {"diffusion_steps", std::to_string(options.diffusion_steps)},
                {"cfg_rate", number_text(options.cfg_rate)},
                {"seed", std::to_string(options.seed)}};
  if (!arguments.emotion_audio.empty()) job.files.emplace_back("emotion_audio", arguments.emotion_audio);
  if (request.use_emotion_text) job.fields.emplace_back("emotion_text", request.emotion_text);
  if (!request.emotion_vector.empty()) {
    job.fields.emplace_back("emotion_vector", base::Json(request.emotion_vector).dump());
  }
  return run_by_daemon(daemon, std::move(job), "speaking", arguments.output, arguments.timings);
}

}  // namespace

int run_speak(const app::Config& config, const SpeakArguments& arguments) {
  check_output(arguments.output);
  const auto request = make_request(arguments);
  if (auto daemon = find_daemon(config, arguments.local, arguments.model.string()); daemon.client) {
    return speak_by_daemon(daemon, arguments, request);
  }
  app::Engine engine(config);
  const auto cancelled = cancel_on_interrupt();
  const auto started = std::chrono::steady_clock::now();
  models::SpeakResult result;
  {
    ProgressBar bar("speaking");
    models::SpeakControl control;
    control.progress = [&](double done) { bar.show(done); };
    control.cancelled = cancelled;
    result = engine.speak(arguments.model.string(), request, arguments.options, control);
  }
  const double elapsed = Seconds(std::chrono::steady_clock::now() - started).count();
  audio::write_file(arguments.output, result.audio);
  for (const auto& notice : result.notices) fmt::print(stderr, "greenroom: {}\n", notice);

  const std::uint64_t resident = resident_bytes(engine);
  fmt::print(
      "{}: {:.2f} s of audio in {:.2f} s (real-time factor {:.2f}), {} segments, {} speech tokens "
      "(tokens/s: {}), {}; peak memory {}: {} of weights, {} of workspace\n",
      arguments.output.string(), result.audio.seconds(), elapsed, elapsed / result.audio.seconds(),
      result.segments, result.speech_tokens, rates_of(result),
      result.voice_was_known ? "a known voice" : "a new voice",
      base::format_bytes(resident + result.peak_workspace_bytes), base::format_bytes(resident),
      base::format_bytes(result.peak_workspace_bytes));
  if (arguments.timings) print_timings(result);
  return 0;
}

}  // namespace greenroom::cli
