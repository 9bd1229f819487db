// What the server starts for each device: `greenroom worker`, of no use by itself.
#include <sys/socket.h>

#include <csignal>
#include <fstream>

#include "app/model_library.h"
#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/heap.h"
#include "cli/commands.h"
#include "worker/process.h"
#include "worker/service.h"

namespace greenroom::cli {
namespace {

// As the server, see there.
constexpr int kHeaps = 4;

bool is_channel(int file) {
  int type = 0;
  ::socklen_t size = sizeof(type);
  return ::getsockopt(file, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

// When the machine runs out of memory, this process is to go and not the server: the server says so and
// starts another.
void offer_to_the_oom_killer() {
  constexpr int kWillingness = 500;
  std::ofstream("/proc/self/oom_score_adj") << kWillingness;
}

}  // namespace

int run_worker(const std::string& device_name) {
  const auto device = base::parse_device_id(device_name);
  if (!device || !is_channel(worker::kChannelFile)) {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      "`greenroom worker` is started by `greenroom serve`, and by nobody else");
  }
  // The server ends it; what is typed at its terminal, or sent to all its processes, is the server's
  // business.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(signal, SIG_IGN);
  offer_to_the_oom_killer();
  base::limit_heaps(kHeaps);
  const worker::ServiceOptions options{*device, kVersion,
                                       []() -> const models::Library& { return app::model_library(); }};
  const int status = worker::serve(base::FileDescriptor(worker::kChannelFile), options);
  // Not by way of exit(): what is still being computed uses what that would destroy.
  ::_exit(status);
}

}  // namespace greenroom::cli
