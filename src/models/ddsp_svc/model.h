// A DDSP-SVC voice as the manager and the user see it.
#pragma once

#include <memory>

#include "models/ddsp_svc/description.h"
#include "models/voice.h"

namespace greenroom::models::ddsp_svc {

std::shared_ptr<const ConversionModel> make_model(Description description);

// Activation bytes a stage needs beside its weights: an upper estimate from the widths of the networks and
// the length of the input, checked against what is measured.
std::uint64_t pitch_workspace_bytes(double seconds);
std::uint64_t convert_workspace_bytes(const Description& description, std::int64_t longest_segment_frames,
                                      std::int64_t total_frames);

}  // namespace greenroom::models::ddsp_svc
