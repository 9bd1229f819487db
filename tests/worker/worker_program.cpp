// A worker with the fake models, started as the server starts the real one: `worker … --device NAME`. The
// environment makes it go wrong: GREENROOM_TEST_WORKER is "die", "mute", "other_version" or empty.
#include <csignal>
#include <cstdlib>
#include <string>

#include "worker/fake_models.h"
#include "worker/process.h"
#include "worker/service.h"

int main(int argc, char** argv) {
  namespace worker = greenroom::worker;
  const char* set = std::getenv("GREENROOM_TEST_WORKER");
  const std::string wrong = set != nullptr ? set : "";
  if (wrong == "die") return 3;
  const auto device = greenroom::base::parse_device_id(argv[argc - 1]);
  if (!device) return 2;
  std::signal(SIGPIPE, SIG_IGN);
  const greenroom::test::FakeLibrary library;
  const worker::ServiceOptions options{*device, wrong == "other_version" ? "9.9" : GREENROOM_VERSION,
                                       [&]() -> const greenroom::models::Library& { return library; }};
  ::_exit(worker::serve(greenroom::base::FileDescriptor(worker::kChannelFile), options));
}
