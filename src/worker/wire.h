// How values cross between the daemon and a worker: names of the messages, and values as trees.
//
// The daemon asks (kDo), the worker answers (kIs) until it says kDone or kError. In between it may ask back:
// to admit an image of weights (answered kAdmitted), to pin a stage (answered kPinned or kRefused).
//
//   load      {model, recipe, component, device, threads, image, keep_image} -> progress*, admit?, done
//   {handle, bytes,
//             image, image_bytes}
//   convert   {model, recipe, device, threads, rate, options}, audio -> pin*, measured*, unpin*, progress*,
//   done, audio speak     the same with request and more audio; also segment* about     {} -> done {torch,
//   gpus} held      {index} -> done {bytes} drop      {} -> done free      {handle, image} -> done when it is
//   a call forget    {model}; cancel, give_up {call}; end {}
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>

#include "base/device_id.h"
#include "base/error.h"
#include "base/json.h"
#include "core/model.h"
#include "models/voice.h"

namespace greenroom::worker {

namespace key {
inline constexpr const char* kCall = "call";
inline constexpr const char* kDo = "do";
inline constexpr const char* kIs = "is";
inline constexpr const char* kModel = "model";
inline constexpr const char* kRecipe = "recipe";
inline constexpr const char* kComponent = "component";
inline constexpr const char* kDevice = "device";
inline constexpr const char* kThreads = "threads";
inline constexpr const char* kHandle = "handle";
inline constexpr const char* kBytes = "bytes";
inline constexpr const char* kHeld = "held";
inline constexpr const char* kStuck = "stuck";
inline constexpr const char* kImage = "image";
inline constexpr const char* kImageBytes = "image_bytes";
inline constexpr const char* kKeepImage = "keep_image";
inline constexpr const char* kOptions = "options";
inline constexpr const char* kRequest = "request";
inline constexpr const char* kRate = "rate";
inline constexpr const char* kEmotionRate = "emotion_rate";
inline constexpr const char* kResult = "result";
inline constexpr const char* kDone = "done";
inline constexpr const char* kTotal = "total";
inline constexpr const char* kFraction = "fraction";
inline constexpr const char* kStage = "stage";
inline constexpr const char* kSegment = "segment";
inline constexpr const char* kNeed = "need";
inline constexpr const char* kPin = "pin";
inline constexpr const char* kParts = "parts";
inline constexpr const char* kYes = "yes";
inline constexpr const char* kError = "error";
inline constexpr const char* kIndex = "index";
inline constexpr const char* kCount = "count";
inline constexpr const char* kVersion = "version";
inline constexpr const char* kTorch = "torch";
inline constexpr const char* kGpus = "gpus";
}  // namespace key

namespace act {
inline constexpr const char* kLoad = "load";
inline constexpr const char* kConvert = "convert";
inline constexpr const char* kSpeak = "speak";
inline constexpr const char* kAbout = "about";
inline constexpr const char* kHeap = "heap";
inline constexpr const char* kDrop = "drop";
inline constexpr const char* kFree = "free";
inline constexpr const char* kForget = "forget";
inline constexpr const char* kCancel = "cancel";
inline constexpr const char* kGiveUp = "give_up";
inline constexpr const char* kEnd = "end";
// Answers to what the worker asks.
inline constexpr const char* kAdmitted = "admitted";
inline constexpr const char* kPinned = "pinned";
inline constexpr const char* kRefused = "refused";
}  // namespace act

namespace word {
inline constexpr const char* kHello = "hello";
inline constexpr const char* kProgress = "progress";
inline constexpr const char* kAdmit = "admit";
inline constexpr const char* kPin = "pin";
inline constexpr const char* kMeasured = "measured";
inline constexpr const char* kUnpin = "unpin";
inline constexpr const char* kSegment = "segment";
inline constexpr const char* kDone = "done";
inline constexpr const char* kError = "error";
// The last word of a worker that cannot go on, before it ends by itself.
inline constexpr const char* kBroken = "broken";
}  // namespace word

// Throws base::Error(kDataLoss) when it is not there or of another type.
template <typename T>
T get(const base::Json& tree, const char* name) {
  try {
    return tree.at(name).get<T>();
  } catch (const base::Json::exception& error) {
    throw base::Error(
        base::ErrorCode::kDataLoss,
        std::string("a message between greenroom's processes lacks \"") + name + "\": " + error.what());
  }
}

base::Json to_tree(const base::Error& error);
base::Error error_from(const base::Json& tree);

// Throws base::Error(kDataLoss).
base::DeviceId device_from(const base::Json& tree);

base::Json to_tree(const core::WorkspaceNeed& need);
core::WorkspaceNeed need_from(const base::Json& tree);

base::Json to_tree(const models::ConvertOptions& options);
models::ConvertOptions convert_options_from(const base::Json& tree);
base::Json to_tree(const models::SpeakOptions& options);
models::SpeakOptions speak_options_from(const base::Json& tree);

// Without the recordings.
base::Json to_tree(const models::SpeakRequest& request);
models::SpeakRequest speak_request_from(const base::Json& tree);

// Without the audio but for its rate.
base::Json to_tree(const models::ConvertResult& result);
models::ConvertResult convert_result_from(const base::Json& tree);
base::Json to_tree(const models::SpeakResult& result);
models::SpeakResult speak_result_from(const base::Json& tree);

}  // namespace greenroom::worker
