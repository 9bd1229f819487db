// Figures for Prometheus, in its text format (version 0.0.4).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace greenroom::monitor {

// Names and values, in the order in which they are written. Values may be any text; it is escaped.
using Labels = std::vector<std::pair<std::string, std::string>>;

// Writes families one after the other. Not thread-safe.
class MetricWriter {
 public:
  enum class Type { kCounter, kGauge, kHistogram };

  // What follows is of this family. Its name is a valid one: letters, digits, underscores.
  void family(std::string_view name, Type type, std::string_view help);
  void value(const Labels& labels, double value) { line("", labels, value); }
  // A family's lines with a suffix: "_bucket", "_sum", "_count".
  void line(std::string_view suffix, const Labels& labels, double value);

  const std::string& text() const { return text_; }

 private:
  std::string name_;
  std::string text_;
};

// A family of numbers that only grow, one per set of labels. Thread-safe.
class Counter {
 public:
  Counter(std::string name, std::string help) : name_(std::move(name)), help_(std::move(help)) {}

  void add(const Labels& labels = {}, double by = 1) EXCLUDES_LOCK(mutex_);
  double value(const Labels& labels = {}) const EXCLUDES_LOCK(mutex_);
  void write(MetricWriter& writer) const EXCLUDES_LOCK(mutex_);

 private:
  const std::string name_, help_;
  mutable base::Mutex mutex_;
  std::map<Labels, double> values_ GUARDED_BY(mutex_);
};

// A family of distributions, one per set of labels. Thread-safe.
class Histogram {
 public:
  // `bounds` ascend; a value counts for the first bound that it does not exceed.
  Histogram(std::string name, std::string help, std::vector<double> bounds)
      : name_(std::move(name)), help_(std::move(help)), bounds_(std::move(bounds)) {}

  void observe(double value, const Labels& labels = {}) EXCLUDES_LOCK(mutex_);
  void write(MetricWriter& writer) const EXCLUDES_LOCK(mutex_);

 private:
  struct Counts {
    std::vector<std::uint64_t> buckets;  // by bound, then those beyond the last; not cumulative
    double sum = 0;
  };
  const std::string name_, help_;
  const std::vector<double> bounds_;
  mutable base::Mutex mutex_;
  std::map<Labels, Counts> counts_ GUARDED_BY(mutex_);
};

// All figures of a program. Thread-safe.
class MetricRegistry {
 public:
  // References stay valid as long as the registry. A name is registered once.
  Counter& counter(std::string name, std::string help) EXCLUDES_LOCK(mutex_);
  Histogram& histogram(std::string name, std::string help, std::vector<double> bounds) EXCLUDES_LOCK(mutex_);
  // For what is read when somebody asks: called at every render(), with no lock held.
  void add_collector(std::function<void(MetricWriter&)> collector) EXCLUDES_LOCK(mutex_);

  std::string render() const EXCLUDES_LOCK(mutex_);

 private:
  mutable base::Mutex mutex_;
  std::vector<std::shared_ptr<Counter>> counters_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Histogram>> histograms_ GUARDED_BY(mutex_);
  std::vector<std::function<void(MetricWriter&)>> collectors_ GUARDED_BY(mutex_);
};

}  // namespace greenroom::monitor
