#include <spdlog/fmt/fmt.h>

#include <chrono>

#include "app/engine.h"
#include "audio/file.h"
#include "base/bytes.h"
#include "cli/by_daemon.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output_file.h"
#include "cli/progress_bar.h"

namespace greenroom::cli {
namespace {

void print_timings(const models::ConvertResult& result) {
  const double seconds = result.audio.seconds();
  for (const auto& stage : result.stage_times) {
    fmt::print("  {:<8} {:8.3f} s  real-time factor {:.3f}\n", stage.stage, stage.seconds,
               stage.seconds / seconds);
  }
}

int convert_by_daemon(Daemon& daemon, const ConvertArguments& arguments) {
  const auto& options = arguments.options;
  server::AudioJob job;
  job.path = "/api/v1/convert";
  job.files = {{"file", arguments.input}};
  job.fields = {{"speaker", std::to_string(options.speaker)},
                {"key", number_text(options.key_semitones)},
                {"formant", number_text(options.formant_semitones)},
                {"vocal_register", number_text(options.vocal_register_semitones)},
                {"f0", options.f0_extractor},
                {"threshold", number_text(options.threshold_db)},
                {"seed", std::to_string(options.seed)}};
  if (!arguments.speaker_mix.empty()) job.fields.emplace_back("speaker_mix", arguments.speaker_mix);
  if (options.steps) job.fields.emplace_back("steps", std::to_string(*options.steps));
  if (options.t_start) job.fields.emplace_back("t_start", number_text(*options.t_start));
  if (options.method) {
    job.fields.emplace_back("method", *options.method == models::OdeMethod::kEuler ? "euler" : "rk4");
  }
  return run_by_daemon(daemon, std::move(job), "converting", arguments.output, arguments.timings);
}

}  // namespace

int run_convert(const app::Config& config, const ConvertArguments& arguments) {
  using Seconds = std::chrono::duration<double>;
  check_output(arguments.output);
  const auto input = audio::read_file(arguments.input);
  if (auto daemon = find_daemon(config, arguments.local, arguments.model.string()); daemon.client) {
    return convert_by_daemon(daemon, arguments);
  }
  app::Engine engine(config);
  const auto started = std::chrono::steady_clock::now();
  const auto id = engine.load_model(arguments.model, config.device);
  const auto loaded = std::chrono::steady_clock::now();
  const auto cancelled = cancel_on_interrupt();
  models::ConvertResult result;
  {
    ProgressBar bar("converting");
    result = engine.convert(id, input, arguments.options, {[&](double done) { bar.show(done); }, cancelled});
  }
  const auto finished = std::chrono::steady_clock::now();
  audio::write_file(arguments.output, result.audio);
  for (const auto& notice : result.notices) fmt::print(stderr, "greenroom: {}\n", notice);

  std::uint64_t resident = 0;
  for (const auto& device : engine.status().devices) resident += device.ledger.resident;
  const double elapsed = Seconds(finished - loaded).count();
  fmt::print(
      "{}: {:.2f} s of audio in {:.2f} s (real-time factor {:.2f}; load {:.2f} s), peak memory {}: {} of "
      "weights, {} of workspace\n",
      arguments.output.string(), result.audio.seconds(), elapsed, elapsed / result.audio.seconds(),
      Seconds(loaded - started).count(), base::format_bytes(resident + result.peak_workspace_bytes),
      base::format_bytes(resident), base::format_bytes(result.peak_workspace_bytes));
  if (arguments.timings) print_timings(result);
  return 0;
}

}  // namespace greenroom::cli
