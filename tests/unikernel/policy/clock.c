/**
 * Runs the unikernel's clock as a program of this computer, with an interval timer that is not perfect:
 *
 *     clock COUNT PULSES [pause,READING,NANOSECONDS | zero,READING]…
 *
 * At first the timer holds COUNT, and it loads a new count PULSES of its own after it was written. There is a pause
 * before the reading with that number, counted from 0; or that reading is zero. Prints by how many nanoseconds the clock
 * advances in a second.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Takes the place of `cpu/ports.h`. */
#define CPU_PORTS_H

#define PULSES_PER_SECOND 1193182u
#define ACCESS_NS 100u
#define SECOND_NS 1000000000u
#define TICKS_PER_NS 3u
#define READINGS_MAX 100000u

static uint64_t now_ns;

/** The count at and before `load_pulse`, after which it goes down. */
static uint32_t held, loaded;
static uint64_t load_pulse, load_delay;
static uint32_t latched, reading;
static int bytes_written, bytes_read;

static uint64_t pauses_ns[READINGS_MAX];
static uint8_t is_zero[READINGS_MAX];

static uint64_t pulse(void) { return now_ns * PULSES_PER_SECOND / SECOND_NS; }

static uint32_t count(void) {
  return pulse() < load_pulse ? held : (uint32_t)(loaded - (pulse() - load_pulse)) & 0xffff;
}

static void latch(void) {
  if (reading == READINGS_MAX) exit(1);
  now_ns += pauses_ns[reading];
  latched = is_zero[reading++] ? 0 : count();
  bytes_read = 0;
}

static uint8_t port_in8(uint16_t port) {
  now_ns += ACCESS_NS;
  if (port != 0x40) exit(1);
  return (uint8_t)(latched >> 8 * bytes_read++);
}

static void port_out8(uint16_t port, uint8_t value) {
  now_ns += ACCESS_NS;
  if (port == 0x43 && value == 0x00) return latch();
  if (port == 0x43 && value == 0x30) {
    held = count();
    load_pulse = UINT64_MAX;
    loaded = 0;
    bytes_written = 0;
  } else if (port == 0x40) {
    loaded |= (uint32_t)value << 8 * bytes_written++;
    if (bytes_written == 2) load_pulse = pulse() + load_delay;
  } else {
    exit(1);
  }
}

static uint64_t read_time_stamp(void) { return now_ns * TICKS_PER_NS; }

#include "../../../kernel-shim/unikernel/cpu/clock.c"

int main(int arguments, char **argument) {
  if (arguments < 3) return 1;
  held = (uint32_t)atoi(argument[1]);
  load_pulse = UINT64_MAX;
  load_delay = (uint64_t)atoi(argument[2]);
  for (int index = 3; index < arguments; index++) {
    uint32_t number;
    uint64_t nanoseconds;
    if (sscanf(argument[index], "pause,%" SCNu32 ",%" SCNu64, &number, &nanoseconds) == 2 && number < READINGS_MAX) {
      pauses_ns[number] = nanoseconds;
    } else if (sscanf(argument[index], "zero,%" SCNu32, &number) == 1 && number < READINGS_MAX) {
      is_zero[number] = 1;
    } else {
      return 1;
    }
  }
  clock_start();
  const uint64_t before = clock_now();
  now_ns += SECOND_NS;
  printf("%" PRIu64 "\n", clock_now() - before);
  return 0;
}
