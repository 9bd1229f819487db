// A whole connection with a fuzzer's bytes on it: head, framing, gate, body, form, answers, and what follows.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/gate.h"
#include "server/http_session.h"
#include "server/plain_routes.h"
#include "server/router.h"

namespace greenroom::server {
namespace {

Router make_router() {
  Router router;
  add_plain_routes(router);
  router.add("POST", "/upload",
             [](Request& request) {
               std::uint64_t bytes = 0;
               for (const auto& [name, value] : request.form.fields) bytes += name.size() + value.size();
               for (const auto& file : request.form.files) bytes += file.bytes + file.shown_name().size();
               return Response::json({{"bytes", bytes}});
             },
             {.body = Body::kForm, .errors = openai_error});
  router.add("GET", "/stream", [](Request&) {
    return Response::streamed("text/plain", [](BodyWriter& writer) { writer.write("piece"); });
  });
  return router;
}

// No stranger's bytes make greenroom itself fail.
void check_status(int status) {
  constexpr int kOk = 200, kInternal = 500;
  if (status < kOk || status == kInternal) std::abort();
}

void serve(const std::uint8_t* data, std::size_t size) {
  static const Router router = make_router();
  static const Gate gate = [] {
    Gate made({});
    made.set_address("127.0.0.1", false);
    return made;
  }();
  static const WakeUp stop;
  static const std::atomic<bool> no{false};
  HttpLimits limits;
  limits.max_json_bytes = 2048;
  limits.max_upload_bytes = 3000;
  limits.write = limits.linger = std::chrono::milliseconds(50);
  const Service service{router, gate,
                        limits, no,
                        no,     [](const auto&, const auto&, int status, double) { check_status(status); }};
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
  // All of it is there and nothing follows: no wait is a long one.
  if (::send(ends[1], data, size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) std::abort();
  ::shutdown(ends[1], SHUT_WR);
  {
    Connection connection(ends[0], stop);
    HttpSession(connection, service).run();
  }
  std::string answers;
  std::array<char, 4096> block{};
  for (ssize_t count = 0; (count = ::recv(ends[1], block.data(), block.size(), 0)) > 0;) {
    answers.append(block.data(), static_cast<std::size_t>(count));
  }
  ::close(ends[1]);
  if (!answers.empty() && !answers.starts_with("HTTP/1.1 ")) std::abort();
}

}  // namespace
}  // namespace greenroom::server

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  greenroom::server::serve(data, size);
  return 0;
}
