// The command line of `speak`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/commands.h"

namespace greenroom::cli {

// What CLI11 fills; finish() makes arguments of it.
struct SpeakOptionsLine {
  SpeakArguments arguments;
  std::string text, emotion_vector, emotion_text;
  bool no_sample = false;
  bool no_emotion_bias = false;
};

void add_speak_options(CLI::App& command, SpeakOptionsLine& line);

// Throws base::Error(kInvalidArgument).
SpeakArguments finish_speak(const CLI::App& command, const SpeakOptionsLine& line);

}  // namespace greenroom::cli
