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
#define CHANNEL_2 0x42
#define TIMER_MODE 0x43
/** Both bytes of the counter, mode 0: the output rises when the count is over. */
#define MODE_CHANNEL_0 0x30
#define MODE_CHANNEL_2 0xb0

#define SPEAKER_PORT 0x61
#define SPEAKER_GATE 0x01
#define SPEAKER_ON 0x02
#define SPEAKER_OUTPUT 0x20

#define MEASURED_COUNT 11932u /* 10 ms */
#define MEASURED_NS (MEASURED_COUNT * 1000000000ull / TIMER_HZ)
#define MEASUREMENTS 3

#define LONGEST_ALARM_NS 50000000u

static uint64_t start;
/** Nanoseconds per tick of the counter, × 2^32. */
static uint64_t scale;

/** Ticks of the counter while the interval timer counts down. */
static uint64_t measure(void) {
  const uint8_t gate = port_in8(SPEAKER_PORT) & (uint8_t)~(SPEAKER_GATE | SPEAKER_ON);
  port_out8(SPEAKER_PORT, gate);
  port_out8(TIMER_MODE, MODE_CHANNEL_2);
  port_out8(CHANNEL_2, MEASURED_COUNT & 0xff);
  port_out8(CHANNEL_2, MEASURED_COUNT >> 8);
  port_out8(SPEAKER_PORT, gate | SPEAKER_GATE);
  const uint64_t begin = read_time_stamp();
  while ((port_in8(SPEAKER_PORT) & SPEAKER_OUTPUT) == 0) {
  }
  return read_time_stamp() - begin;
}

void clock_start(void) {
  /* Whatever disturbs a measurement makes it longer. */
  uint64_t least = UINT64_MAX;
  for (int turn = 0; turn < MEASUREMENTS; turn++) {
    const uint64_t ticks = measure();
    if (ticks < least) least = ticks;
  }
  scale = (MEASURED_NS << 32) / least;
  start = read_time_stamp();
}

uint64_t clock_now(void) {
  return (uint64_t)((unsigned __int128)(read_time_stamp() - start) * scale >> 32);
}

void timer_start(uint64_t nanoseconds) {
  if (nanoseconds > LONGEST_ALARM_NS) nanoseconds = LONGEST_ALARM_NS;
  const uint64_t count = nanoseconds * TIMER_HZ / 1000000000u + 1;
  port_out8(TIMER_MODE, MODE_CHANNEL_0);
  port_out8(CHANNEL_0, (uint8_t)count);
  port_out8(CHANNEL_0, (uint8_t)(count >> 8));
}
