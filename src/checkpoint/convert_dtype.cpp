#include "checkpoint/convert_dtype.h"

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace greenroom::checkpoint {
namespace {

template <typename Value>
Value load(const std::byte* from) {
  Value value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

template <typename Value>
void store(std::byte* to, Value value) {
  std::memcpy(to, &value, sizeof(value));
}

// IEEE 754 binary16. The product by a power of two makes the hardware round, and handles subnormal numbers.
float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t magnitude = half & 0x7FFFU;
  constexpr std::uint32_t kInfinity = 0x7C00;
  if (magnitude >= kInfinity) return std::bit_cast<float>(sign | 0x7F800000U | ((magnitude & 0x3FFU) << 13));
  constexpr float kRebias = 0x1p112F;
  return std::bit_cast<float>(sign |
                              std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude << 13) * kRebias));
}

std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U)
    return static_cast<std::uint16_t>(sign | 0x7E00U | ((magnitude >> 13) & 0x3FFU));
  if (magnitude >= 0x477FF000U) return static_cast<std::uint16_t>(sign | 0x7C00U);  // rounds to 65536 or more
  if (magnitude < 0x38800000U) {
    // Subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000U));
  }
  const std::uint32_t even = (magnitude >> 13) & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xFFFU + even) >> 13));
}

float bfloat_to_float(std::uint16_t value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

std::uint16_t float_to_bfloat(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

// How each type is stored, and the way to the type that conversions go through. A double may round twice on
// its way to 16 bits (by way of float), which no weight can tell.
struct Double {
  using Stored = double;
  static float widen(double value) { return static_cast<float>(value); }
  static double narrow(float value) { return value; }
};
struct Single {
  using Stored = float;
  static float widen(float value) { return value; }
  static float narrow(float value) { return value; }
};
struct Half {
  using Stored = std::uint16_t;
  static float widen(std::uint16_t value) { return half_to_float(value); }
  static std::uint16_t narrow(float value) { return float_to_half(value); }
};
struct BFloat {
  using Stored = std::uint16_t;
  static float widen(std::uint16_t value) { return bfloat_to_float(value); }
  static std::uint16_t narrow(float value) { return float_to_bfloat(value); }
};

template <typename From, typename To>
void convert(const std::byte* in, std::byte* out, std::size_t count) {
  using In = typename From::Stored;
  using Out = typename To::Stored;
  for (std::size_t i = 0; i < count; ++i) {
    store<Out>(out + i * sizeof(Out), To::narrow(From::widen(load<In>(in + i * sizeof(In)))));
  }
}

#if defined(__x86_64__)
bool has_f16c() {
  // Older compilers cannot ask for F16C itself; every processor with AVX2 has it.
  static const bool has = __builtin_cpu_supports("avx2");
  return has;
}

constexpr std::size_t kLanes = 8;

__attribute__((target("avx,f16c"))) std::size_t narrow_with_f16c(const std::byte* in, std::byte* out,
                                                                 std::size_t count) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m256 values = _mm256_loadu_ps(reinterpret_cast<const float*>(in + i * sizeof(float)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * sizeof(std::uint16_t)),
                     _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
  }
  return i;
}

__attribute__((target("avx,f16c"))) std::size_t widen_with_f16c(const std::byte* in, std::byte* out,
                                                                std::size_t count) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i * sizeof(std::uint16_t)));
    _mm256_storeu_ps(reinterpret_cast<float*>(out + i * sizeof(float)), _mm256_cvtph_ps(halves));
  }
  return i;
}
#else
bool has_f16c() {
  return false;
}
std::size_t narrow_with_f16c(const std::byte*, std::byte*, std::size_t) {
  return 0;
}
std::size_t widen_with_f16c(const std::byte*, std::byte*, std::size_t) {
  return 0;
}
#endif

template <>
void convert<Single, Half>(const std::byte* in, std::byte* out, std::size_t count) {
  std::size_t i = has_f16c() ? narrow_with_f16c(in, out, count) : 0;
  for (; i < count; ++i) store(out + i * 2, float_to_half(load<float>(in + i * 4)));
}

template <>
void convert<Half, Single>(const std::byte* in, std::byte* out, std::size_t count) {
  std::size_t i = has_f16c() ? widen_with_f16c(in, out, count) : 0;
  for (; i < count; ++i) store(out + i * 4, half_to_float(load<std::uint16_t>(in + i * 2)));
}

template <typename From>
void convert_from(const std::byte* in, std::byte* out, std::size_t count, DType to) {
  switch (to) {
    case DType::kFloat64:
      return convert<From, Double>(in, out, count);
    case DType::kFloat32:
      return convert<From, Single>(in, out, count);
    case DType::kFloat16:
      return convert<From, Half>(in, out, count);
    default:
      return convert<From, BFloat>(in, out, count);
  }
}

}  // namespace

bool can_convert(DType from, DType to) {
  return is_floating(from) && is_floating(to);
}

void convert_elements(std::span<const std::byte> in, DType from, std::span<std::byte> out, DType to) {
  if (from == to) {
    if (!in.empty()) std::memcpy(out.data(), in.data(), in.size());
    return;
  }
  const std::size_t count = in.size() / dtype_size(from);
  switch (from) {
    case DType::kFloat64:
      return convert_from<Double>(in.data(), out.data(), count, to);
    case DType::kFloat32:
      return convert_from<Single>(in.data(), out.data(), count, to);
    case DType::kFloat16:
      return convert_from<Half>(in.data(), out.data(), count, to);
    default:
      return convert_from<BFloat>(in.data(), out.data(), count, to);
  }
}

}  // namespace greenroom::checkpoint
