#include "monitor/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace greenroom::monitor {
namespace {

TEST(Metrics, AreWrittenAsPrometheusReadsThem) {
  MetricRegistry registry;
  Counter& requests = registry.counter("toy_requests_total", "Requests\nanswered.");
  requests.add({{"path", "/a\"b\\c\nd"}});
  requests.add({{"path", "/"}}, 2);
  requests.add({{"path", "/"}});
  registry.add_collector([](MetricWriter& writer) {
    writer.family("toy_ratio", MetricWriter::Type::kGauge, "A ratio.");
    writer.value({}, 0.25);
    writer.value({{"gpu", "0"}}, std::numeric_limits<double>::infinity());
  });
  EXPECT_EQ(registry.render(),
            "# HELP toy_ratio A ratio.\n# TYPE toy_ratio gauge\ntoy_ratio 0.25\ntoy_ratio{gpu=\"0\"} +Inf\n"
            "# HELP toy_requests_total Requests\\nanswered.\n# TYPE toy_requests_total counter\n"
            "toy_requests_total{path=\"/\"} 3\ntoy_requests_total{path=\"/a\\\"b\\\\c\\nd\"} 1\n");
  EXPECT_EQ(requests.value({{"path", "/"}}), 3);
}

TEST(Metrics, AHistogramsBucketsAreCumulative) {
  MetricRegistry registry;
  Histogram& seconds = registry.histogram("toy_seconds", "Time.", {0.5, 1});
  for (const double value : {0.5, 0.6, 7.0}) seconds.observe(value, {{"stage", "x"}});
  EXPECT_THAT(registry.render(),
              ::testing::HasSubstr("toy_seconds_bucket{stage=\"x\",le=\"0.5\"} 1\n"
                                   "toy_seconds_bucket{stage=\"x\",le=\"1\"} 2\n"
                                   "toy_seconds_bucket{stage=\"x\",le=\"+Inf\"} 3\n"
                                   "toy_seconds_sum{stage=\"x\"} 8.1\ntoy_seconds_count{stage=\"x\"} 3\n"));
}

}  // namespace
}  // namespace greenroom::monitor
