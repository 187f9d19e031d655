/** Grants as one bit per port: a check is a load, whatever has been granted. */
#include "port-grants.h"

#include <stdbool.h>

#include "../console.h"
#include "../exit.h"

#define PORTS 0x10000u
/**
 * Below lie the system board and ISA devices: DMA and interrupt controllers, timer, keyboard, power management,
 * configuration mechanism 1. No PC gives a PCI device ports there.
 */
#define FIRST_DEVICE_PORT 0x1000u

/**
 * Configuration mechanism 1. [PCI 3.0 §3.2.2.3.2] The address register is one of 32 bits; narrower accesses among its
 * ports reach other things, the reset button at 0xcf9 for one. [Intel ICH9 §13.7.5]
 */
#define CONFIGURATION_ADDRESS 0xcf8u
#define CONFIGURATION_DATA 0xcfcu
#define CONFIGURATION_END 0xd00u

static uint8_t granted[PORTS / 8];

static bool is_granted(uint32_t port) {
  return port < PORTS && (granted[port / 8] >> port % 8 & 1) != 0;
}

static bool is_configuration(uint32_t port, uint32_t width) {
  if (port == CONFIGURATION_ADDRESS) return width == 4;
  return port >= CONFIGURATION_DATA && port < CONFIGURATION_END && port + width <= CONFIGURATION_END;
}

enum grant ports_judge(uint64_t first, uint64_t bytes) {
  if (first < FIRST_DEVICE_PORT || first >= PORTS || bytes > PORTS - first) return GRANT_PROTECTED;
  for (uint32_t port = (uint32_t)first; port < first + bytes; port++) {
    if (is_granted(port)) return GRANT_TAKEN;
  }
  return GRANT_POSSIBLE;
}

void ports_grant(uint32_t first, uint32_t bytes) {
  for (uint32_t port = first; port < first + bytes && port < PORTS; port++) {
    granted[port / 8] |= (uint8_t)(1u << port % 8);
  }
}

void ports_check(uint32_t port, uint32_t width) {
  if (is_configuration(port, width)) return;
  for (uint32_t index = 0; index < width; index++) {
    if (is_granted(port + index)) continue;
    print("kernel: access to port ");
    print_hexadecimal(port, 4);
    print(", width ");
    print_decimal(width);
    print("\n");
    fail(EXIT_PORT, "the port was not granted");
  }
}
