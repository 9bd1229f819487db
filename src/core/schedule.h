// Whose turn it is among waiting requests of one device. Pure: no clock, no lock, no effects beyond its own
// table, so that tests can play any traffic through it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace greenroom::core {

struct ScheduleOptions {
  // How long requests of loaded models may go before the one of a model that has to be swapped in, and how
  // long a model that was swapped in keeps the device while it has requests: at most one swap in this time.
  std::chrono::nanoseconds group_wait = std::chrono::seconds(5);
  // Who has waited this long is overdue: at least every second turn is an overdue one's, the oldest first,
  // whatever its priority.
  std::chrono::nanoseconds longest_wait = std::chrono::seconds(60);
};

struct WaitingRequest {
  std::uint64_t id = 0;
  std::string model;
  int priority = 0;  // higher goes first
  double cost = 1;   // what a turn costs its model's share: seconds of audio, say
  base::Clock::TimePoint arrival;
};

// Not thread-safe.
//
// Order: priority; then the model that has had the least (stride scheduling: a model's pass grows by the cost
// of its turns, and who was away starts where the others are); then arrival. A model is ready (loaded),
// loading, or absent.
class Schedule {
 public:
  enum class ModelState { kReady, kLoading, kAbsent };

  explicit Schedule(const ScheduleOptions& options) : options_(options) {}

  // An exception (std::bad_alloc) of one of these leaves everything as it was.
  void add(const WaitingRequest& request);
  // What is not there is ignored.
  void remove(std::uint64_t id);
  // Needs no memory for a model that somebody waits for.
  void set_state(const std::string& model, ModelState state);
  ModelState state(const std::string& model) const;  // of a model nobody asked for: kAbsent

  struct Choice {
    std::optional<std::uint64_t> swap;  // its model is to be brought in before anybody else's turn
    std::optional<std::uint64_t> run;   // whose model is ready: has the next turn, if there is no swap
  };
  // Neither when nobody waits but for models that are loading.
  Choice choose(base::Clock::TimePoint now) const;

  // `id` has its turn now: leaves the table and is charged.
  void take(std::uint64_t id, base::Clock::TimePoint now);
  // `model` was brought in by a swap.
  void swapped(base::Clock::TimePoint now) { last_swap_ = now; }

  std::size_t size() const { return waiting_.size(); }
  const std::vector<WaitingRequest>& waiting() const { return waiting_; }  // by arrival
  // The first of each model that is absent.
  std::vector<std::uint64_t> absent_heads() const;

 private:
  double pass(const std::string& model) const;
  bool before(const WaitingRequest& a, const WaitingRequest& b) const;
  // The first that `may` is true of; null when there is none.
  template <typename May>
  const WaitingRequest* first(const May& may) const;
  template <typename May>
  const WaitingRequest* oldest_overdue(base::Clock::TimePoint now, const May& may) const;

  ScheduleOptions options_;
  std::vector<WaitingRequest> waiting_;
  std::map<std::string, ModelState> states_;  // of models with requests; others are forgotten
  std::map<std::string, double> passes_;      // above virtual_time_ only
  double virtual_time_ = 0;                   // the pass of the last that had a turn
  bool was_overdue_ = false;                  // the last turn was an overdue one's
  std::optional<base::Clock::TimePoint> last_swap_;
};

}  // namespace greenroom::core
