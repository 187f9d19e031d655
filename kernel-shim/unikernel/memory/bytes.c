/**
 * The four functions that compilers call on their own, and translated modules for `memory.copy` and `memory.fill`.
 * [GCC manual §2.1, freestanding environment]
 */
#include "bytes.h"

#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
  void *destination = to;
  size_t words = count / 8, rest = count % 8;
  __asm__ volatile("rep movsq" : "+D"(destination), "+S"(from), "+c"(words) : : "memory");
  __asm__ volatile("rep movsb" : "+D"(destination), "+S"(from), "+c"(rest) : : "memory");
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  if ((uintptr_t)to - (uintptr_t)from >= count) return memcpy(to, from, count);
  /* The end of the source would be overwritten before it is read: from the end, then. */
  uint8_t *destination = (uint8_t *)to + count - 1;
  const uint8_t *source = (const uint8_t *)from + count - 1;
  __asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(destination), "+S"(source), "+c"(count) : : "memory");
  return to;
}

void *memset(void *to, int value, size_t count) {
  void *destination = to;
  size_t lines = count / 64, rest = count % 64;
  const uint64_t word = (uint8_t)value * 0x0101010101010101ull;
  /* Emulators make a loop of a string instruction, with more around each store than this has around eight. */
  for (; lines != 0; lines--, destination = (uint64_t *)destination + 8) {
    __asm__ volatile(
        "mov %1, (%0)\n\tmov %1, 8(%0)\n\tmov %1, 16(%0)\n\tmov %1, 24(%0)\n\t"
        "mov %1, 32(%0)\n\tmov %1, 40(%0)\n\tmov %1, 48(%0)\n\tmov %1, 56(%0)"
        :
        : "r"(destination), "r"(word)
        : "memory");
  }
  __asm__ volatile("rep stosb" : "+D"(destination), "+c"(rest) : "a"(word) : "memory");
  return to;
}

int memcmp(const void *left, const void *right, size_t count) {
  const uint8_t *a = left, *b = right;
  for (size_t index = 0; index < count; index++) {
    if (a[index] != b[index]) return a[index] - b[index];
  }
  return 0;
}
