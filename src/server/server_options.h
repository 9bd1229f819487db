// How a server is reached and what it lets strangers do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "server/http_session.h"

namespace greenroom::server {

struct ServerOptions {
  std::string version;
  std::string api_key;                             // empty: no key is asked for
  bool no_auth = false;                            // serve another address than loopback without a key
  std::vector<std::string> allowed_hosts;          // names it answers to, beside its own
  std::vector<std::filesystem::path> model_roots;  // models are only taken from below these
  std::uint64_t max_audio_bytes = 1U << 30;        // of recordings in requests, as samples; all together
  std::size_t max_event_clients = 128;             // who listen to events
  HttpLimits limits;
};

}  // namespace greenroom::server
