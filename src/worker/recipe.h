// How a model is made again in another process: from its path and what it was described with, not from the
// description itself, which is read from the same files in a millisecond.
#pragma once

#include <filesystem>
#include <memory>

#include "base/json.h"
#include "models/library.h"

namespace greenroom::worker {

base::Json recipe_of(const models::ddsp_svc::Description& description);
base::Json recipe_of(const models::index_tts::Description& description, const std::filesystem::path& cache);

// One of both, the other null.
struct MadeModel {
  std::shared_ptr<const models::ConversionModel> conversion;
  std::shared_ptr<const models::SynthesisModel> synthesis;

  const core::Model& model() const;
};

// Throws base::Error: as describe and make of the model; kFailedPrecondition when its files are not those any
// more that the recipe was made from.
MadeModel make(const base::Json& recipe, const models::Library& library);

}  // namespace greenroom::worker
