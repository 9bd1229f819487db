// The command line of the commands that speak to a daemon.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "cli/commands.h"

namespace greenroom::cli {

void add_daemon_commands(CLI::App& program, DaemonArguments& arguments);
// Which of them was given; nullopt: none.
std::optional<DaemonArguments::Act> daemon_command(const CLI::App& program);

}  // namespace greenroom::cli
