/** SHA-256 by a library in a WebAssembly module of its own: bytes are copied into its memory, and the digest out of it. */
#include "sha256.h"

#include <sha256-module.h>

#include "../memory/bytes.h"

/** What the library imports from: AssemblyScript's `abort`. */
struct w2c_env {
  char unused;
};

static struct w2c_env environment;
static w2c_sha256 library;

void w2c_env_abort(struct w2c_env *environment_, uint32_t message, uint32_t file, uint32_t line, uint32_t column) {
  (void)environment_, (void)message, (void)file, (void)line, (void)column;
  wasm_rt_trap(WASM_RT_TRAP_UNREACHABLE);
}

void sha256_load(void) {
  wasm2c_sha256_instantiate(&library, &environment);
}

void sha256_start(void) {
  w2c_sha256_init(&library);
}

void sha256_update(const uint8_t *bytes, uint32_t length) {
  const uint32_t input = *w2c_sha256_input(&library);
  const uint32_t capacity = *w2c_sha256_INPUT_LENGTH(&library);
  while (length > 0) {
    const uint32_t part = length < capacity ? length : capacity;
    memcpy(w2c_sha256_memory(&library)->data + input, bytes, part);
    w2c_sha256_update(&library, input, part);
    bytes += part;
    length -= part;
  }
}

void sha256_finish(uint8_t *digest) {
  const uint32_t output = *w2c_sha256_output(&library);
  w2c_sha256_final(&library, output);
  memcpy(digest, w2c_sha256_memory(&library)->data + output, SHA256_BYTES);
}
