/** Copying, filling and comparing bytes, as in the standard's <string.h>. */
#ifndef MEMORY_BYTES_H
#define MEMORY_BYTES_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *left, const void *right, size_t count);

#endif
