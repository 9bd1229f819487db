// Where a draw of codes comes from: a seeded generator in use, recorded draws in parity tests.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace greenroom::models::index_tts {

struct Candidate {
  std::int64_t index;  // beam * codes + code
  float probability;   // above 0
};

// Not thread-safe; one per segment.
class CodePicker {
 public:
  virtual ~CodePicker() = default;
  // `count` different indexes drawn without replacement in proportion to the probabilities; fewer when there
  // are fewer candidates, which come in rising order of their indexes.
  virtual std::vector<std::int64_t> pick(std::span<const Candidate> candidates, int count) = 0;
};

// The same picks for the same seed and segment on every machine that agrees on the probabilities, whatever
// other segments are drawn beside it.
class SeededPicker : public CodePicker {
 public:
  SeededPicker(std::uint64_t seed, std::uint64_t segment);
  std::vector<std::int64_t> pick(std::span<const Candidate> candidates, int count) override;

 private:
  std::mt19937_64 generator_;
  std::vector<std::pair<double, std::int64_t>> keys_;
};

}  // namespace greenroom::models::index_tts
