#include "base/heap.h"

#include <cstdlib>  // says whether this is glibc

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace greenroom::base {

void limit_heaps([[maybe_unused]] int heaps) {
#ifdef __GLIBC__
  ::mallopt(M_ARENA_MAX, heaps);
#endif
}

void return_freed_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace greenroom::base
