// A stand-in for libnvidia-ml.so.1 with two GPUs, of which the second tells no more than its memory.
#include <cstring>

namespace {

struct Memory {
  unsigned long long total, free, used;
};
struct Utilisation {
  unsigned gpu, memory;
};
char gpus[2];
constexpr int kSuccess = 0, kInvalidArgument = 2, kNotSupported = 3;

int index_of(void* device) {
  return static_cast<int>(static_cast<char*>(device) - gpus);
}

}  // namespace

extern "C" {
int nvmlInit_v2() {
  return kSuccess;
}
int nvmlShutdown() {
  return kSuccess;
}
int nvmlSystemGetDriverVersion(char* text, unsigned) {
  return std::strcpy(text, "1.2.3") ? kSuccess : 1;
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 2;
  return kSuccess;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index > 1) return kInvalidArgument;
  *device = &gpus[index];
  return kSuccess;
}
int nvmlDeviceGetName(void* device, char* text, unsigned) {
  std::strcpy(text, index_of(device) == 0 ? "Toy A" : "Toy B");
  return kSuccess;
}
int nvmlDeviceGetUUID(void* device, char* text, unsigned) {
  std::strcpy(text, index_of(device) == 0 ? "GPU-a" : "GPU-b");
  return kSuccess;
}
int nvmlDeviceGetMemoryInfo(void*, Memory* memory) {
  *memory = {100, 60, 40};
  return kSuccess;
}
int nvmlDeviceGetUtilizationRates(void* device, Utilisation* utilisation) {
  *utilisation = {30, 7};
  return index_of(device) == 0 ? kSuccess : kNotSupported;
}
int nvmlDeviceGetTemperature(void* device, int, unsigned* celsius) {
  *celsius = 55;
  return index_of(device) == 0 ? kSuccess : kNotSupported;
}
}
