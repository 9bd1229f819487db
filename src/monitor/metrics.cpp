#include "monitor/metrics.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

namespace greenroom::monitor {
namespace {

std::string escape(std::string_view text, bool quotes) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') {
      escaped += "\\\\";
    } else if (c == '\n') {
      escaped += "\\n";
    } else if (c == '"' && quotes) {
      escaped += "\\\"";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string format_value(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string_view type_name(MetricWriter::Type type) {
  switch (type) {
    case MetricWriter::Type::kCounter:
      return "counter";
    case MetricWriter::Type::kGauge:
      return "gauge";
    case MetricWriter::Type::kHistogram:
      return "histogram";
  }
  return "untyped";
}

}  // namespace

void MetricWriter::family(std::string_view name, Type type, std::string_view help) {
  name_ = name;
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escape(help, false), name, type_name(type));
}

void MetricWriter::line(std::string_view suffix, const Labels& labels, double value) {
  text_ += name_;
  text_ += suffix;
  const char* before = "{";
  for (const auto& [name, content] : labels) {
    text_ += fmt::format("{}{}=\"{}\"", before, name, escape(content, true));
    before = ",";
  }
  if (!labels.empty()) text_ += '}';
  text_ += ' ';
  text_ += format_value(value);
  text_ += '\n';
}

void Counter::add(const Labels& labels, double by) {
  base::MutexLock lock(mutex_);
  values_[labels] += by;
}

double Counter::value(const Labels& labels) const {
  base::MutexLock lock(mutex_);
  const auto found = values_.find(labels);
  return found == values_.end() ? 0 : found->second;
}

void Counter::write(MetricWriter& writer) const {
  base::MutexLock lock(mutex_);
  writer.family(name_, MetricWriter::Type::kCounter, help_);
  for (const auto& [labels, value] : values_) writer.value(labels, value);
}

void Histogram::observe(double value, const Labels& labels) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  base::MutexLock lock(mutex_);
  Counts& counts = counts_[labels];
  counts.buckets.resize(bounds_.size() + 1);
  ++counts.buckets[static_cast<std::size_t>(bucket)];
  counts.sum += value;
}

void Histogram::write(MetricWriter& writer) const {
  base::MutexLock lock(mutex_);
  writer.family(name_, MetricWriter::Type::kHistogram, help_);
  for (const auto& [labels, counts] : counts_) {
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i <= bounds_.size(); ++i) {
      so_far += counts.buckets[i];
      Labels with_bound = labels;
      with_bound.emplace_back("le", i < bounds_.size() ? format_value(bounds_[i]) : "+Inf");
      writer.line("_bucket", with_bound, static_cast<double>(so_far));
    }
    writer.line("_sum", labels, counts.sum);
    writer.line("_count", labels, static_cast<double>(so_far));
  }
}

Counter& MetricRegistry::counter(std::string name, std::string help) {
  base::MutexLock lock(mutex_);
  return *counters_.emplace_back(std::make_shared<Counter>(std::move(name), std::move(help)));
}

Histogram& MetricRegistry::histogram(std::string name, std::string help, std::vector<double> bounds) {
  base::MutexLock lock(mutex_);
  return *histograms_.emplace_back(
      std::make_shared<Histogram>(std::move(name), std::move(help), std::move(bounds)));
}

void MetricRegistry::add_collector(std::function<void(MetricWriter&)> collector) {
  base::MutexLock lock(mutex_);
  collectors_.push_back(std::move(collector));
}

std::string MetricRegistry::render() const {
  std::vector<std::shared_ptr<Counter>> counters;
  std::vector<std::shared_ptr<Histogram>> histograms;
  std::vector<std::function<void(MetricWriter&)>> collectors;
  {
    base::MutexLock lock(mutex_);
    counters = counters_;
    histograms = histograms_;
    collectors = collectors_;
  }
  MetricWriter writer;
  for (const auto& collect : collectors) collect(writer);
  for (const auto& counter : counters) counter->write(writer);
  for (const auto& histogram : histograms) histogram->write(writer);
  return writer.text();
}

}  // namespace greenroom::monitor
