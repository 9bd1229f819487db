// Converting and speaking by the daemon, when there is one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "app/config.h"
#include "base/json.h"
#include "server/http_audio.h"

namespace greenroom::cli {

// The URL in GREENROOM_SERVER; empty: none.
std::string named_server();
// The URL of the configured address; one that stands for all of the machine's is called by loopback.
std::string configured_server(const app::Config& config);

// The daemon that GREENROOM_SERVER names, else that of the configured address, and the model as it knows it;
// null: there is none, or it does not take the model (which is said), or `local` or GREENROOM_LOCAL ask for
// none. Throws base::Error(kUnavailable) when one is named and does not answer.
struct Daemon {
  std::unique_ptr<server::AudioClient> client;
  std::string model;
};
Daemon find_daemon(const app::Config& config, bool local, const std::string& model);

// Runs the job with a progress bar, writes the result to `output` and says how it went. Throws base::Error.
int run_by_daemon(Daemon& daemon, server::AudioJob job, const std::string& what,
                  const std::filesystem::path& output, bool timings);

// Shortest text that reads back as the same number.
std::string number_text(double value);

}  // namespace greenroom::cli
