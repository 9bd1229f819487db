// Task profiles as JSON texts: how they are kept.
#pragma once

#include <string>

#include "core/task_profiles.h"

namespace greenroom::app {

std::string to_document(const core::TaskProfile& profile);

// Throws base::Error(kDataLoss) naming `name` and what is wrong.
core::TaskProfile task_profile_from(const std::string& document, const std::string& name);

}  // namespace greenroom::app
