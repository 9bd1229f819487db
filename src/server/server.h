// Serves an engine over HTTP: health, status, and the page.
#pragma once

#include <memory>
#include <string>

#include "app/engine.h"

namespace greenroom::server {

// bind() and run() are for one thread, in this order, once; stop() may be called from any, at any time. The
// engine outlives the server.
class Server {
 public:
  Server(const app::Engine& engine, const std::string& version);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Returns the port (another one than asked for when that was 0). Throws base::Error(kUnavailable) when it
  // is taken.
  int bind(const std::string& host, int port);

  // Answers requests until stop(); at once when stop() came first.
  void run();
  // Takes no new connections; run() returns when the requests under way are answered.
  void stop();

 private:
  struct Http;
  std::unique_ptr<Http> http_;
};

// Throws base::Error(kUnavailable) when a server could not listen there now.
void check_port(const std::string& host, int port);

}  // namespace greenroom::server
