// The devices' figures as Prometheus reads them.
#pragma once

#include "monitor/metrics.h"
#include "monitor/sample.h"

namespace greenroom::app {

// Under greenroom's own names, in base units. A figure that a device does not tell is not written.
void write_devices(monitor::MetricWriter& writer, const monitor::Sample& sample);

// NVIDIA's GPUs under the names and labels of its dcgm-exporter, in its units, for dashboards that exist.
// Without its label modelName, whose form Prometheus advises against; greenroom_device_info has the name.
void write_dcgm(monitor::MetricWriter& writer, const monitor::Sample& sample);

}  // namespace greenroom::app
