// The tasks there are before anybody registered one.
#pragma once

#include <vector>

#include "app/config.h"
#include "core/task_profiles.h"

namespace greenroom::app {

// voice_synthesis (the IndexTTS model), voice_conversion (the DDSP-SVC voice), voice_creation (both; the
// voice is optional when there is a model to speak), and those of the configuration's section `tasks`, which
// replace a default of the same name. A default for which no model is configured names none, and says so when
// it is preloaded.
std::vector<core::TaskProfile> default_tasks(const Config& config);

}  // namespace greenroom::app
