// Opens libgreenroom_models, and with it libtorch, when the first model is loaded and not before.
#pragma once

#include "models/library.h"

namespace greenroom::app {

// The library, opened at the first call and kept. Looked for where GREENROOM_MODELS_LIBRARY points, beside
// the program, and in ../lib of it. Thread-safe. Throws base::Error(kFailedPrecondition) saying what to
// install.
const models::Library& model_library();

}  // namespace greenroom::app
