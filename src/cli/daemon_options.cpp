#include "cli/daemon_options.h"

#include <utility>

namespace greenroom::cli {
namespace {

using Act = DaemonArguments::Act;

constexpr std::pair<const char*, Act> kCommands[] = {
    {"ps", Act::kPs},           {"load", Act::kLoad},       {"unload", Act::kUnload},
    {"preload", Act::kPreload}, {"cleanup", Act::kCleanUp}, {"optimize", Act::kOptimize},
    {"events", Act::kEvents},   {"why", Act::kWhy},
};

}  // namespace

void add_daemon_commands(CLI::App& program, DaemonArguments& arguments) {
  const auto add = [&](const char* name, const char* description) {
    auto* command = program.add_subcommand(name, description);
    command->add_option("--server", arguments.server,
                        "The daemon, http://HOST:PORT (default: GREENROOM_SERVER, else this machine's)");
    command->add_flag("--json", arguments.json, "As JSON");
    return command;
  };
  add("ps", "List the models of the running daemon");
  auto* load = add("load", "Load a model in the running daemon");
  load->add_option("MODEL", arguments.name, "Its id, or the path of one to register")->required();
  load->add_option("--id", arguments.id, "How to call a new one");
  load->add_option("--device", arguments.device, "auto, cpu or cuda:N");
  auto* unload = add("unload", "Unload a model of the running daemon");
  auto* model = unload->add_option("MODEL", arguments.name, "Its id");
  auto* all = unload->add_flag("--all", arguments.all, "All of them");
  model->excludes(all);
  unload->add_flag("--force", arguments.force, "Whoever holds it; cancels a load under way");
  unload->callback([&arguments] {
    if (arguments.name.empty() && !arguments.all)
      throw CLI::ValidationError("unload", "name a MODEL, or --all");
  });
  add("preload", "Load what a task needs in the running daemon")
      ->add_option("TASK", arguments.name, "The task's name")
      ->required();
  add("cleanup", "Let go of what a task loaded")
      ->add_option("TASK", arguments.name, "The task's name")
      ->required();
  add("optimize", "Free everything idle in the running daemon");
  add("events", "Show what happens in the running daemon, until Ctrl-C");
  auto* why = add("why", "Say why a model was evicted, unloaded or refused");
  why->add_option("MODEL", arguments.name, "A model or a part of a name (default: the latest decisions)");
  constexpr int kMost = 1000;
  why->add_option("--limit", arguments.limit, "How many of the latest to show")
      ->check(CLI::Range(1, kMost))
      ->capture_default_str();
}

std::optional<Act> daemon_command(const CLI::App& program) {
  for (const auto& [name, act] : kCommands) {
    if (program.got_subcommand(name)) return act;
  }
  return std::nullopt;
}

}  // namespace greenroom::cli
