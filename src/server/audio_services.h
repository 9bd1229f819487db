// What the audio routes share: reference voices and jobs, and the routes themselves.
#pragma once

#include <functional>

#include "app/jobs.h"
#include "app/voice_library.h"
#include "base/clock.h"
#include "base/json.h"
#include "server/audio_memory.h"
#include "server/context.h"

namespace greenroom::server {

// One per server; ends before the engine does. Thread-safe.
struct AudioServices {
  // `job_changed` (may be empty) hears of jobs, as the jobs' routes tell of them.
  AudioServices(const app::Engine& engine, const ServerOptions& options,
                std::function<void(base::Json)> job_changed);

  base::SystemClock clock;
  AudioMemory memory;  // of what clients sent
  app::VoiceLibrary voices;
  app::Jobs jobs;
};

// Both are borrowed and outlive the routes.
void add_voice_routes(Router& router, AudioServices& audio);
void add_job_routes(Router& router, const Context& context, AudioServices& audio);
void add_speak_routes(Router& router, const Context& context, AudioServices& audio);
void add_convert_routes(Router& router, const Context& context, AudioServices& audio);
void add_openai_routes(Router& router, const Context& context, AudioServices& audio);

base::Json to_json(const app::Voice& voice);
base::Json to_json(const app::JobInfo& job);

}  // namespace greenroom::server
