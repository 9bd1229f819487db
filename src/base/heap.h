// What the C library keeps of memory that was freed.
#pragma once

namespace greenroom::base {

// At most so many heaps for all threads; the library's own bound is eight for each core, and each keeps what
// it once took. REQUIRES: before there are threads. Does nothing where the library has no such thing.
void limit_heaps(int heaps);

// Gives freed pages back to the system. Takes the heaps' locks for some milliseconds. Thread-safe.
void return_freed_memory();

}  // namespace greenroom::base
