#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>

#include "app/engine.h"
#include "audio/file.h"
#include "base/bytes.h"
#include "cli/commands.h"
#include "server/wire.h"

namespace greenroom::cli {
namespace {

// Of UTF-8.
std::size_t count_characters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void print_text(const core::Plan& plan) {
  for (const auto& part : plan.parts) {
    fmt::print("{:<48} {:>12}  from {}{}\n", part.component, base::format_bytes(part.bytes),
               core::source_name(part.source),
               part.source == core::Source::kResident ? "" : fmt::format(", about {:.2f} s", part.seconds));
  }
  for (const auto& victim : plan.evict) {
    fmt::print("would go: {} {} ({})\n", victim.component, base::format_bytes(victim.bytes), victim.reason);
  }
  if (!plan.fits) {
    fmt::print("does not fit. {}\n", plan.problem);
    return;
  }
  fmt::print("{}: fits: needs {}, {} of {} is free{}; {} remain; about {:.2f} s\n",
             base::to_string(plan.device), base::format_bytes(plan.needed_bytes),
             base::format_bytes(plan.free_bytes), base::format_bytes(plan.capacity_bytes),
             plan.bound_by.empty() ? "" : " (" + plan.bound_by + ")",
             base::format_bytes(plan.remaining_bytes), plan.seconds);
}

}  // namespace

int run_plan(const app::Config& config, const PlanArguments& arguments) {
  app::PlanQuestion question{arguments.models, arguments.task, config.device, std::nullopt, std::nullopt};
  if (!arguments.input.empty()) question.convert_seconds = audio::read_file(arguments.input).seconds();
  if (arguments.text) question.speak_characters = count_characters(*arguments.text);
  app::Engine engine(config);
  const core::Plan plan = engine.plan(question);
  if (arguments.json) {
    fmt::print("{}\n", server::to_json(plan).dump(2, ' ', false, base::Json::error_handler_t::replace));
  } else {
    print_text(plan);
  }
  return plan.fits ? 0 : 1;
}

}  // namespace greenroom::cli
