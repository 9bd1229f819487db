#include <spdlog/fmt/fmt.h>

#include <chrono>

#include "app/engine.h"
#include "audio/file.h"
#include "base/bytes.h"
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

}  // namespace

int run_convert(const app::Config& config, const ConvertArguments& arguments) {
  using Seconds = std::chrono::duration<double>;
  check_output(arguments.output);
  const auto input = audio::read_file(arguments.input);
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
