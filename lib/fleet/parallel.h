// SPDX-License-Identifier: MIT
// Bounded parallel loops on joinable threads.
#ifndef DMPI_FLEET_PARALLEL_H
#define DMPI_FLEET_PARALLEL_H

#include <stddef.h>

// Calls fn(i, arg) once for every i below n, at most `window` calls at a time (at least one), and
// returns when all have returned. Items begin in order. With one item or a window of one, or when
// the system refuses threads, the calls run on the caller's thread. fn keeps its own results and
// must be safe against itself. All signals are blocked in the threads made here, so that a signal
// always reaches a thread of the program's own.
void dmpi_parallel(size_t n, size_t window, void (*fn)(size_t i, void *arg), void *arg);

#endif
