/** Reads the memory-mapped devices from the command line. */
#include "slots.h"

#include "../console.h"

static const char name[] = "virtio_mmio.device=";

/** Whether the text begins with `name`. */
static bool is_slot(const char *text) {
  for (unsigned index = 0; index < sizeof name - 1; index++) {
    if (text[index] != name[index]) return false;
  }
  return true;
}

static unsigned digit_value(char digit) {
  if (digit >= '0' && digit <= '9') return (unsigned)(digit - '0');
  if (digit >= 'a' && digit <= 'f') return (unsigned)(digit - 'a') + 10;
  if (digit >= 'A' && digit <= 'F') return (unsigned)(digit - 'A') + 10;
  return UINT32_MAX;
}

/** Reads a number, decimal or with 0x, and whether there was one. What does not fit in 64 bits is none. */
static bool read_number(const char **text, uint64_t *number) {
  unsigned base = 10;
  if ((*text)[0] == '0' && ((*text)[1] == 'x' || (*text)[1] == 'X')) {
    base = 16;
    *text += 2;
  }
  const char *first = *text;
  for (*number = 0; digit_value(**text) < base; (*text)++) {
    if (*number > (UINT64_MAX - digit_value(**text)) / base) return false;
    *number = *number * base + digit_value(**text);
  }
  return *text != first;
}

/** The letter behind a size. */
static unsigned read_shift(const char **text) {
  const char letter = (char)(**text | 0x20);
  const unsigned shift = letter == 'k' ? 10 : letter == 'm' ? 20 : letter == 'g' ? 30 : 0;
  if (shift != 0) (*text)++;
  return shift;
}

static bool read_slot(const char **text, struct slot *slot) {
  if (!read_number(text, &slot->bytes)) return false;
  const unsigned shift = read_shift(text);
  if (slot->bytes > UINT64_MAX >> shift) return false;
  slot->bytes <<= shift;
  if (*(*text)++ != '@' || !read_number(text, &slot->base)) return false;
  return *(*text)++ == ':' && read_number(text, &slot->line);
}

bool next_slot(const char **text, struct slot *slot) {
  for (;;) {
    while (**text == ' ') (*text)++;
    if (**text == 0) return false;
    const char *word = *text;
    while (**text != 0 && **text != ' ') (*text)++;
    if (!is_slot(word)) continue;
    const char *value = word + sizeof name - 1;
    if (read_slot(&value, slot)) return true;
    print("kernel: the command line names a device in a way that is not SIZE@BASE:LINE\n");
  }
}
