/**
 * The processor's time-stamp counter as clock, measured against the interval timer; the interval timer as alarm.
 * [Intel SDM 3B §17.17] [Intel 8254 data sheet]
 *
 * Where the counter's speed changes with the processor's, take another clock. No processor of the last fifteen years
 * does that, and no emulator.
 */
#include "clock.h"

#include "ports.h"

#define TIMER_HZ 1193182u
#define CHANNEL_0 0x40
#define TIMER_MODE 0x43
/** Channel 0, both bytes of the counter, mode 0: counts down once, and the output rises at the end. */
#define MODE_CHANNEL_0 0x30
/** Holds the counter of channel 0 until both of its bytes have been read. */
#define LATCH_CHANNEL_0 0x00

#define COUNT_MAX 0xffffu
#define MEASURED_COUNT 1194u /* 1 ms */

#define LONGEST_ALARM_NS 50000000u

static uint64_t start;
/** Nanoseconds per tick of the counter, × 2^32. */
static uint64_t scale;

static void count_down(uint32_t count) {
  port_out8(TIMER_MODE, MODE_CHANNEL_0);
  port_out8(CHANNEL_0, (uint8_t)count);
  port_out8(CHANNEL_0, (uint8_t)(count >> 8));
}

static uint32_t remaining_count(void) {
  port_out8(TIMER_MODE, LATCH_CHANNEL_0);
  const uint32_t low = port_in8(CHANNEL_0);
  return low | (uint32_t)port_in8(CHANNEL_0) << 8;
}

/**
 * Nanoseconds per tick of the time-stamp counter, × 2^32, by the interval timer. The timer loads a new count with its
 * next pulse, so what it says first may be the old one: the measurement begins when it has moved.
 */
static uint64_t measure(void) {
  count_down(COUNT_MAX);
  const uint32_t loaded = remaining_count();
  uint64_t begin;
  uint32_t first;
  do {
    begin = read_time_stamp();
    first = remaining_count();
  } while (first == loaded);
  uint32_t counted;
  do counted = (first - remaining_count()) & COUNT_MAX;
  while (counted < MEASURED_COUNT);
  const uint64_t ticks = read_time_stamp() - begin;
  return (counted * 1000000000ull / TIMER_HZ << 32) / ticks;
}

static uint64_t lesser(uint64_t one, uint64_t other) {
  return one < other ? one : other;
}

static uint64_t greater(uint64_t one, uint64_t other) {
  return one < other ? other : one;
}

void clock_start(void) {
  /* The median: neither a pause nor a wrong count in one measurement matters. */
  const uint64_t first = measure();
  const uint64_t second = measure();
  scale = greater(lesser(first, second), lesser(greater(first, second), measure()));
  start = read_time_stamp();
}

uint64_t clock_now(void) {
  return (uint64_t)((unsigned __int128)(read_time_stamp() - start) * scale >> 32);
}

void timer_start(uint64_t nanoseconds) {
  if (nanoseconds > LONGEST_ALARM_NS) nanoseconds = LONGEST_ALARM_NS;
  count_down((uint32_t)(nanoseconds * TIMER_HZ / 1000000000u + 1));
}
