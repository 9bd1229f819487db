// Serves an engine over HTTP.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/engine.h"
#include "server/server_options.h"

namespace greenroom::server {

// bind() and run() are for one thread, in this order, once; the others may be called from any, at any time.
// The engine outlives the server.
class Server {
 public:
  Server(app::Engine& engine, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Returns the port (another one than asked for when that was 0). Throws base::Error: kUnavailable (taken),
  // kInvalidArgument (no address of this machine), kFailedPrecondition (other machines could reach it without
  // a key, and nobody said that they may).
  int bind(const std::string& host, int port);

  // Answers requests until stop(); at once when stop() came first.
  void run();
  // What is served: "GET /api/v1/models/{id}".
  std::vector<std::string> routes() const;

  // Takes no new work (503, and /readyz says so); reading goes on. Cancels the loads under way and waits for
  // their end.
  void drain();
  // Takes no new connections; run() returns when the requests under way are answered.
  void stop();
  // The same, and ends those too.
  void abort();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Throws base::Error(kUnavailable) when a server could not listen there now.
void check_port(const std::string& host, int port);

}  // namespace greenroom::server
