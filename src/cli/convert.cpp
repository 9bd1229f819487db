#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>

#include "app/engine.h"
#include "audio/file.h"
#include "base/bytes.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"

namespace greenroom::cli {
namespace {

using base::Error;
using base::ErrorCode;

std::shared_ptr<std::atomic<bool>> g_cancelled = std::make_shared<std::atomic<bool>>(false);

// Asks for an end at the next step; a second Ctrl-C ends the program at once.
void on_interrupt(int) {
  g_cancelled->store(true);
  std::signal(SIGINT, SIG_DFL);
}

// What can be known to fail is said before minutes of work, not after.
void check_output(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (extension != ".wav" && extension != ".flac") {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: the output's name must end in .wav or .flac", path.string()));
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: is a folder; name a file", path.string()));
  }
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  if (!std::filesystem::is_directory(folder, ignored)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: the folder {} does not exist", path.string(), folder.string()));
  }
  if (::access(folder.c_str(), W_OK) != 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: the folder {} is not writable", path.string(), folder.string()));
  }
}

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
  const auto id = engine.load_voice(arguments.model, config.device);
  const auto loaded = std::chrono::steady_clock::now();
  std::signal(SIGINT, on_interrupt);
  models::ConvertResult result;
  {
    ProgressBar bar("converting");
    result =
        engine.convert(id, input, arguments.options, {[&](double done) { bar.show(done); }, g_cancelled});
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
