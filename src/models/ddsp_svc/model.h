// A DDSP-SVC voice as the manager and the user see it.
#pragma once

#include <memory>

#include "models/ddsp_svc/description.h"
#include "models/voice.h"

namespace greenroom::models::ddsp_svc {

// `images`: keeps the weights of components that were on a GPU, for the next time; may be null, outlives the
// model.
std::shared_ptr<const ConversionModel> make_model(Description description);

}  // namespace greenroom::models::ddsp_svc
