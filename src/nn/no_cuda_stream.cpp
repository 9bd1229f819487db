#include "nn/device_stream.h"

namespace greenroom::nn {

class DeviceStream::Lane {};

DeviceStream::DeviceStream(base::DeviceId) {}
DeviceStream::~DeviceStream() = default;
void DeviceStream::finish() {}

void while_devices_rest(void (*)()) {}

}  // namespace greenroom::nn
