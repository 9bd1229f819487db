#include "cli/speak_options.h"

#include <spdlog/fmt/fmt.h>

#include <cstdlib>
#include <sstream>

#include "base/error.h"

namespace greenroom::cli {
namespace {

// "0,0,0.8,0,0,0,0,0". How many there must be is the model's business.
std::vector<double> parse_numbers(const std::string& text) {
  std::vector<double> numbers;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) {
    char* end = nullptr;
    numbers.push_back(std::strtod(item.c_str(), &end));
    if (item.empty() || end != item.c_str() + item.size()) {
      throw base::Error(
          base::ErrorCode::kInvalidArgument,
          fmt::format("--emotion-vector: \"{}\" is no number; give eight, as in 0,0,0.8,0,0,0,0,0", item));
    }
  }
  return numbers;
}

void add_emotion_options(CLI::App& command, SpeakOptionsLine& line) {
  auto& options = line.arguments.options;
  auto* audio = command.add_option("--emotion-audio", line.arguments.emotion_audio,
                                   "A recording that sounds as the text is to sound (emo_audio_prompt)");
  auto* vector =
      command.add_option("--emotion-vector", line.emotion_vector,
                         "happy,angry,sad,afraid,disgusted,melancholic,surprised,calm (emo_vector)");
  auto* text =
      command.add_option("--emotion-text", line.emotion_text,
                         "A text that says how; \"\" takes the text itself (use_emo_text, emo_text)");
  audio->excludes(vector)->excludes(text);
  vector->excludes(text);
  command.add_option("--emotion-weight", options.emotion_weight, "How much of it, 0 to 1 (emo_alpha)")
      ->capture_default_str();
  command.add_flag("--no-emotion-bias", line.no_emotion_bias, "Take a vector as it is");
  command.add_flag("--use-random", options.use_random, "Any training speaker's way of an emotion");
}

void add_sampling_options(CLI::App& command, SpeakOptionsLine& line) {
  auto& options = line.arguments.options;
  command.add_option("--num-beams", options.num_beams, "Beams; 1 is faster")->capture_default_str();
  command.add_option("--temperature", options.temperature, "Of the draws")->capture_default_str();
  command.add_option("--top-p", options.top_p, "Share of probability that is drawn from")
      ->capture_default_str();
  command.add_option("--top-k", options.top_k, "Codes that are drawn from; 0: all")->capture_default_str();
  command.add_option("--repetition-penalty", options.repetition_penalty, "1: none")->capture_default_str();
  command.add_option("--length-penalty", options.length_penalty, "Above 0 favours long beams")
      ->capture_default_str();
  command.add_option("--max-mel-tokens", options.max_mel_tokens, "Speech tokens of a segment, at most")
      ->capture_default_str();
  command.add_flag("--no-sample", line.no_sample, "The likeliest codes instead of draws");
  command.add_flag("--typical-sampling", options.typical_sampling, "Draw from the typical codes only");
  command.add_option("--typical-mass", options.typical_mass, "Their share of probability")
      ->capture_default_str();
}

}  // namespace

void add_speak_options(CLI::App& command, SpeakOptionsLine& line) {
  auto& arguments = line.arguments;
  auto& options = arguments.options;
  command.add_option("--model,-m", arguments.model, "The folder of an IndexTTS-2 model")->required();
  command.add_option("--voice", arguments.voice, "A recording of the voice, 3 to 15 s")->required();
  auto* text = command.add_option("--text,-t", line.text, "What to say");
  command
      .add_option("--text-file", arguments.text_file, "A file with what to say; - or none: standard input")
      ->excludes(text);
  add_emotion_options(command, line);
  add_sampling_options(command, line);
  command
      .add_option("--max-text-tokens-per-segment", options.max_text_tokens_per_segment,
                  "Longer texts are spoken in several segments")
      ->capture_default_str();
  command
      .add_option("--quick-streaming-tokens", options.quick_streaming_tokens,
                  "Short segments for the first so many text tokens")
      ->capture_default_str();
  command.add_option("--interval-silence", options.interval_silence_ms, "Milliseconds between segments")
      ->capture_default_str();
  command.add_option("--diffusion-steps", options.diffusion_steps, "Steps of the flow")
      ->capture_default_str();
  command.add_option("--cfg-rate", options.cfg_rate, "Guidance of the flow; 0: none, twice as fast")
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Seed of all draws")->capture_default_str();
  command.add_flag("--timings", arguments.timings, "Print the time of each stage");
  command.add_flag("--local", arguments.local, "Here, also when a daemon runs");
  command.add_option("OUT", arguments.output, "Where to write: .wav or .flac")->required();
}

SpeakArguments finish_speak(const CLI::App& command, const SpeakOptionsLine& line) {
  SpeakArguments arguments = line.arguments;
  if (command.count("--text") > 0) arguments.text = line.text;
  if (command.count("--emotion-text") > 0) arguments.emotion_text = line.emotion_text;
  if (command.count("--emotion-vector") > 0) arguments.emotion_vector = parse_numbers(line.emotion_vector);
  arguments.options.do_sample = !line.no_sample;
  arguments.options.emotion_bias = !line.no_emotion_bias;
  return arguments;
}

}  // namespace greenroom::cli
