/** A clock that never goes back, and a timer that wakes the processor. */
#ifndef CPU_CLOCK_H
#define CPU_CLOCK_H

#include <stdint.h>

/** Measures how fast the clock is; takes 3 ms. */
void clock_start(void);

/** Nanoseconds since `clock_start`. */
uint64_t clock_now(void);

/** Asserts interrupt line 0 once, after `nanoseconds` or 50 ms, whichever is less. */
void timer_start(uint64_t nanoseconds);

#endif
