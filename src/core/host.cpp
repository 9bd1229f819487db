#include "core/host.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <exception>
#include <string>

#include "base/log.h"

namespace greenroom::core {

std::shared_ptr<LoadedComponent> InProcessHost::load(const Model& model, std::size_t index,
                                                     base::DeviceId device, const LoadControl& control) {
  return model.load_component(index, device, control);
}

void InProcessHost::free(std::shared_ptr<LoadedComponent> weights) noexcept {
  weights.reset();
}

void InProcessHost::drop_caches() noexcept {
  try {
    if (hooks_.drop_caches) hooks_.drop_caches();
  } catch (const std::exception& error) {
    base::log(base::LogLevel::kWarning, "core", std::string("caches were not dropped: ") + error.what());
  }
#ifdef __GLIBC__
  ::malloc_trim(0);  // glibc keeps freed arenas otherwise
#endif
}

std::optional<DeviceReading> InProcessHost::read() noexcept {
  try {
    if (hooks_.read) return hooks_.read();
  } catch (const std::exception& error) {
    base::log(base::LogLevel::kWarning, "core", error.what());
  }
  return std::nullopt;
}

}  // namespace greenroom::core
