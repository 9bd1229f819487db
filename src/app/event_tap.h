// Events on their way to somebody, counted.
#pragma once

#include "app/engine_metrics.h"
#include "core/event.h"

namespace greenroom::app {

// Thread-safe.
class EventTap final : public core::EventSink {
 public:
  // `next` may be null. Both are borrowed and outlive this.
  EventTap(EngineMetrics& metrics, core::EventSink* next) : metrics_(metrics), next_(next) {}

  void publish(const core::Event& event) override {
    metrics_.observe(event);
    if (next_ != nullptr) next_->publish(event);
  }

 private:
  EngineMetrics& metrics_;
  core::EventSink* next_;
};

}  // namespace greenroom::app
