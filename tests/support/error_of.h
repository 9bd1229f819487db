// The error that a call ends with, to be looked at.
#pragma once

#include "base/error.h"

namespace greenroom::test {

// An internal error that says "no error" when the call throws none.
template <typename Call>
base::Error error_of(Call&& call) {
  try {
    call();
  } catch (const base::Error& error) {
    return error;
  }
  return {base::ErrorCode::kInternal, "no error"};
}

}  // namespace greenroom::test
