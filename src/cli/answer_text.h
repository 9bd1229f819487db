// What of a daemon's answers is shown on a terminal.
#pragma once

#include <string>

#include "base/json.h"

namespace greenroom::cli {

// A text of an object, harmless to a terminal; empty when there is none of that name.
std::string text_of(const base::Json& object, const char* name);

// Of an event: "  contentvec (hubert_base.pt)  for loading 'bob', idle 41 s  1.2 MiB"; what there is of it.
std::string event_details(const base::Json& event);

}  // namespace greenroom::cli
