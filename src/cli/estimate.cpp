#include "app/estimate.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include "base/bytes.h"
#include "cli/commands.h"

namespace greenroom::cli {
namespace {

// "float32 27.3 MiB, int64 8 B"
std::string stored(const checkpoint::Summary& weights) {
  std::vector<std::string> parts;
  for (const auto& [dtype, bytes] : weights.bytes_by_dtype)
    parts.push_back(fmt::format("{} {}", dtype_name(dtype), base::format_bytes(bytes)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

void print_table(const app::Estimate& estimate) {
  fmt::print("{:<29} {:>12} {:<28} {:>12} {:>7}  {}\n", "component", "parameters", "stored as", "on device",
             "models", "file");
  for (const auto& line : estimate.lines) {
    fmt::print("{:<29} {:>12} {:<28} {:>12} {:>7}  {}{}\n", line.kind, line.weights.parameters,
               stored(line.weights), base::format_bytes(line.bytes), line.models.size(), line.file.string(),
               line.kept ? "" : " (only for its stage)");
  }
  const std::uint64_t total = estimate.bytes();
  const std::uint64_t unshared = estimate.bytes_without_sharing();
  fmt::print("{} {}, {} components, {} in all as {}", estimate.models.size(),
             estimate.models.size() == 1 ? "model" : "models", estimate.lines.size(),
             base::format_bytes(total), checkpoint::dtype_name(estimate.dtype));
  if (unshared > total) {
    fmt::print(", each shared component counted once ({} if nothing were shared)",
               base::format_bytes(unshared));
  }
  if (estimate.stage_bytes() > 0) {
    fmt::print(", and {} of stages that come for a new voice or an emotion and may go again",
               base::format_bytes(estimate.stage_bytes()));
  }
  fmt::print("\n");
}

}  // namespace

int run_estimate(const app::Config& config, const EstimateArguments& arguments) {
  const auto estimate = app::estimate(config, arguments.paths, arguments.dtype);
  if (arguments.json) {
    fmt::print("{}\n", app::to_json(estimate).dump(2, ' ', false, base::Json::error_handler_t::replace));
  } else {
    print_table(estimate);
  }
  return 0;
}

}  // namespace greenroom::cli
