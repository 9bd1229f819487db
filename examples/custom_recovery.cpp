// Actions of the program's own for errors: of its own operations, and inside greenroom's.
//
//   custom_recovery
#include <cstdio>
#include <stdexcept>

#include "greenroom/error_handler.h"
#include "greenroom/init.h"

namespace {

class MicrophoneLost : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace

int main() {
  auto& handler = greenroom::get_error_handler();
  greenroom::RecoveryAction reconnect;
  reconnect.strategy = greenroom::RecoveryStrategy::RETRY;
  reconnect.description = "connect the microphone again";
  reconnect.max_attempts = 3;
  reconnect.delay = 0.01;
  reconnect.action = [](const greenroom::ErrorContext& error) {
    std::printf("attempt %d after: %s\n", error.attempt, error.error_message.c_str());
    return error.attempt == 2;  // the second one works
  };
  handler.register_recovery_action("microphone", reconnect);
  handler.add_error_callback([](const greenroom::ErrorContext& error) {
    std::printf("[log] %s: %s\n", error.component.c_str(), error.error_message.c_str());
  });
  try {
    throw MicrophoneLost("no signal");
  } catch (const std::exception& error) {
    const bool recovered =
        handler.handle_error(error, "microphone", "record", greenroom::ErrorSeverity::HIGH);
    std::printf("recovered: %s\n", recovered ? "yes" : "no");
  }

  // The name of an error code: this runs when a load or an inference does not fit, before it is given up.
  greenroom::RecoveryAction make_room;
  make_room.description = "free what is idle";
  make_room.max_attempts = 1;
  make_room.delay = 0;
  make_room.action = [](const greenroom::ErrorContext&) {
    return greenroom::get_model_manager().optimize_memory() > 0;
  };
  handler.register_recovery_action("resource_exhausted", make_room);
  for (const auto& error : handler.get_recent_errors()) {
    std::printf("remembered: %s during %s (%s)\n", error.error_type.c_str(), error.operation.c_str(),
                std::string(greenroom::error_severity_name(error.severity)).c_str());
  }
  greenroom::shutdown_gpu_management();
}
