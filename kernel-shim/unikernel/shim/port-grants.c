/** Grants as one bit per port: a check is a load, whatever has been granted. */
#include "port-grants.h"

#include "../console.h"
#include "../exit.h"

#define PORTS 0x10000u

/** Configuration mechanism 1. [PCI 3.0 §3.2.2.3.2] */
#define CONFIGURATION_FIRST 0xcf8u
#define CONFIGURATION_END 0xd00u

static uint8_t granted[PORTS / 8];

static int is_granted(uint32_t port) {
  return port < PORTS && (granted[port / 8] >> port % 8 & 1) != 0;
}

void ports_grant(uint32_t first, uint32_t bytes) {
  for (uint32_t port = first; port < first + bytes && port < PORTS; port++) {
    granted[port / 8] |= (uint8_t)(1u << port % 8);
  }
}

void ports_check(uint32_t port, uint32_t width) {
  if (port >= CONFIGURATION_FIRST && port + width <= CONFIGURATION_END) return;
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
