#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <iostream>

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "core/simulation.h"

namespace greenroom::cli {
namespace {

using base::Error;
using base::ErrorCode;

core::Trace read(const std::filesystem::path& file) {
  if (file == "-") return core::read_trace(std::cin);
  std::ifstream input(file);
  if (!input) throw Error(ErrorCode::kNotFound, file.string() + ": cannot be read");
  try {
    return core::read_trace(input);
  } catch (const Error& error) {
    throw Error(error.code(), file.string() + ": " + error.what());
  }
}

core::SimulationOptions make_options(const app::Config& config, const SimulateArguments& arguments) {
  core::SimulationOptions options;
  for (const auto& [device, bytes] : config.memory_budgets) options.devices.push_back({device, bytes});
  if (options.devices.empty()) {
    constexpr std::uint64_t kBudget = 4ull << 30;
    options.devices.push_back({{base::DeviceKind::kCuda, 0}, kBudget});
  }
  options.manager.policy = arguments.policy.value_or(config.eviction_policy);
  options.manager.min_residence = std::chrono::seconds(config.min_residence_seconds);
  options.manager.host_tier_bytes = arguments.host_tier_bytes;
  options.hardware.lag = std::chrono::milliseconds(arguments.lag_ms);
  options.hardware.disk_bytes_per_second = arguments.disk_megabytes_per_second * 1e6;
  options.most_decisions = arguments.decisions;
  return options;
}

base::Json to_json(const core::SimulationResult& result) {
  base::Json decisions = base::Json::array();
  for (const auto& record : result.decisions) {
    base::Json evicted = base::Json::array();
    for (const auto& candidate : record.candidates) {
      if (candidate.evicted) evicted.push_back(core::explain(record, candidate.component));
    }
    decisions.push_back({{"purpose", record.purpose},
                         {"device", base::to_string(record.device)},
                         {"verdict", core::verdict_name(record.verdict)},
                         {"evicted", std::move(evicted)}});
  }
  return {{"requests", result.requests},
          {"hits", result.hits},
          {"waited", result.waited},
          {"refused", result.refused},
          {"failed", result.failed},
          {"evictions", result.evictions},
          {"loaded_bytes", result.loaded_bytes},
          {"promoted_bytes", result.promoted_bytes},
          {"missing_bytes", result.missing_bytes},
          {"load_seconds", result.load_seconds},
          {"virtual_seconds", result.virtual_seconds},
          {"most_used_bytes", result.most_used_bytes},
          {"breaches", result.breaches},
          {"left_bytes", result.left_bytes},
          {"decisions", std::move(decisions)}};
}

void print_text(const core::SimulationResult& result) {
  fmt::print("{} requests in {:.0f} s of virtual time: {} hits, {} waited, {} refused, {} failed\n",
             result.requests, result.virtual_seconds, result.hits, result.waited, result.refused,
             result.failed);
  fmt::print("loaded {} from disk and {} from host memory, {} evictions, {:.1f} s of waiting\n",
             base::format_bytes(result.loaded_bytes), base::format_bytes(result.promoted_bytes),
             result.evictions, result.load_seconds);
  fmt::print("at most {} in use, {} breaches of a budget, {} did not come back in time, {} left at the end\n",
             base::format_bytes(result.most_used_bytes), result.breaches,
             base::format_bytes(result.missing_bytes), base::format_bytes(result.left_bytes));
  for (const auto& record : result.decisions) {
    for (const auto& candidate : record.candidates) {
      if (candidate.evicted) fmt::print("  {}\n", core::explain(record, candidate.component));
    }
  }
}

}  // namespace

int run_simulate(const app::Config& config, const SimulateArguments& arguments) {
  if (arguments.generate) {
    core::write_trace(core::make_trace(arguments.recipe), std::cout);
    return 0;
  }
  const core::Trace trace = read(arguments.trace);
  const auto result = core::simulate(trace, make_options(config, arguments));
  if (arguments.json) {
    fmt::print("{}\n", to_json(result).dump(2, ' ', false, base::Json::error_handler_t::replace));
  } else {
    print_text(result);
  }
  return 0;
}

}  // namespace greenroom::cli
