// What was learnt of loads, as a JSON text: how it is kept.
#pragma once

#include <string>
#include <vector>

#include "core/history.h"

namespace greenroom::app {

std::string to_document(const std::vector<core::LearntLoad>& loads);

// Throws base::Error(kDataLoss) saying what is wrong.
std::vector<core::LearntLoad> learnt_loads_from(const std::string& document);

}  // namespace greenroom::app
