#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/error.h"
#include "checkpoint/safetensors_writer.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"

namespace greenroom::cli {
namespace {

namespace fs = std::filesystem;

void check_output(const ConvertCheckpointArguments& arguments) {
  std::error_code ignored;
  const auto fail = [&](const char* problem) {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      fmt::format("{}: {}", arguments.output.string(), problem));
  };
  if (arguments.output.extension() != ".safetensors") fail("the name of the result must end in .safetensors");
  if (fs::equivalent(arguments.input, arguments.output, ignored)) fail("would overwrite its own source");
  if (fs::exists(arguments.output, ignored) && !arguments.force)
    fail("exists already; --force overwrites it");
}

}  // namespace

int run_convert_checkpoint(const ConvertCheckpointArguments& arguments) {
  check_output(arguments);
  const auto source = checkpoint::Checkpoint::open(arguments.input);
  checkpoint::SafetensorsReport report;
  {
    ProgressBar bar("converting");
    checkpoint::SafetensorsOptions options;
    options.dtype = arguments.dtype;
    options.skip_unsupported = arguments.skip_unsupported;
    options.progress = [&](std::uint64_t done, std::uint64_t total) {
      bar.show(static_cast<double>(done) / static_cast<double>(std::max<std::uint64_t>(total, 1)));
    };
    report = checkpoint::write_safetensors(arguments.output, source, options);
  }
  fmt::print("{}: {} tensors, {}\n", arguments.output.string(), report.tensors,
             base::format_bytes(report.bytes));
  if (report.copies > 0)
    fmt::print("{} tensors shared their bytes with others and are stored apart now\n", report.copies);
  for (const auto& [name, kind] : report.skipped)
    fmt::print("left out: {} ({})\n", name.empty() ? "(the whole)" : name, kind);
  return 0;
}

}  // namespace greenroom::cli
