// Switches between voices: each is loaded when it is wanted and let go after it. Events tell what happens
// meanwhile.
//
//   smart_switching VOICE VOICE IN
#include <cstdio>

#include "greenroom/gpu_utils.h"
#include "greenroom/init.h"
#include "greenroom/lifecycle.h"
#include "greenroom/models/ddsp_svc.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: smart_switching VOICE VOICE IN\n");
    return 2;
  }
  try {
    auto& manager = greenroom::get_model_manager();
    auto& lifecycle = greenroom::get_lifecycle_manager();
    const int listener = lifecycle.add_event_listener([](const greenroom::LifecycleEventData& event) {
      if (event.event == greenroom::LifecycleEvent::load_completed)
        std::printf("[event] %s is loaded on %s after %.1f s\n", event.model_id.c_str(), event.device.c_str(),
                    event.duration);
    });
    const auto device = greenroom::GPUUtils::get_optimal_device();
    std::printf("on %s, one voice needs %.1f MiB\n", device.c_str(),
                static_cast<double>(greenroom::GPUUtils::estimate_model_memory(argv[1])) / (1 << 20));

    for (const char* wanted : {argv[1], argv[2], argv[1]}) {
      const auto id = greenroom::auto_load_for_conversion(argv[3], wanted);
      const auto result = greenroom::get_ddsp_model(id)->infer(std::filesystem::path(argv[3]));
      std::printf("%s: %.2f s converted\n", id.c_str(), result.audio.seconds());
      manager.unload_model(id);
    }
    lifecycle.remove_event_listener(listener);
    greenroom::EventFilter loads;
    loads.event = greenroom::LifecycleEvent::load_completed;
    std::printf("the history knows of %zu loads\n", lifecycle.get_recent_events(loads).size());
  } catch (const greenroom::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  greenroom::shutdown_gpu_management();
}
