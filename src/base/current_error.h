// An exception as a value.
#pragma once

#include "base/error.h"

namespace greenroom::base {

// What is being thrown right now; a lack of memory is kResourceExhausted, what is no Error kInternal.
// REQUIRES: called from a catch block. Throws std::bad_alloc when there is no memory for its message.
Error current_error();

}  // namespace greenroom::base
