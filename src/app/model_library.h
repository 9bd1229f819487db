// Opens libgreenroom_models, and with it libtorch, when the first model is loaded and not before.
#pragma once

#include "models/library.h"

namespace greenroom::app {

// Sets what libtorch's thread pools read when they are loaded: threads that wait sleep instead of spinning.
// (With as many spinning threads as cores, one other busy process makes a conversion two to twenty times
// slower.) Values the user set stay. Call it first in main, before there is a second thread. OpenMP's pool
// comes with the program itself (libsoxr needs it) and has read its settings by then: true when they were not
// there, and a process must be started anew for them to count.
bool prepare_thread_pool();

// The library, opened at the first call and kept. Looked for where GREENROOM_MODELS_LIBRARY points, beside
// libgreenroom.so or the program that this code is part of, and in the lib folder next to the program's.
// Thread-safe. Throws base::Error(kFailedPrecondition) saying what to install.
const models::Library& model_library();

// The library if somebody has opened it; else null, and it stays closed. Thread-safe.
const models::Library* opened_model_library();

}  // namespace greenroom::app
