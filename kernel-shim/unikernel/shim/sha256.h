/**
 * SHA-256, computed by the npm package @chainsafe/as-sha256: a WebAssembly module of its own, with a memory of its own,
 * so that it reaches nothing but what is copied there. An example of how to take in a library as a module.
 */
#ifndef SHIM_SHA256_H
#define SHIM_SHA256_H

#include <stdint.h>

#define SHA256_BYTES 32

/** Brings the library up; once, before the calls below. */
void sha256_load(void);

/** Begins a digest. There is one at a time. */
void sha256_start(void);

/** Adds bytes to it. */
void sha256_update(const uint8_t *bytes, uint32_t length);

/** Ends it and writes SHA256_BYTES bytes. */
void sha256_finish(uint8_t *digest);

#endif
