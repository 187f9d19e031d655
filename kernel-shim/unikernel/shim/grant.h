/** What becomes of a device's claim to ports or to addresses. */
#ifndef SHIM_GRANT_H
#define SHIM_GRANT_H

enum grant {
  GRANT_POSSIBLE,
  /** Some of them are memory or the system board's, or there is no such place. */
  GRANT_PROTECTED,
  /** Some of them are granted already, to another device. */
  GRANT_TAKEN,
};

#endif
