/** The kernel's command line. */
#include "command-line.h"

static char copy[2048];

void command_line_start(const struct start_information *information) {
  if (information->command_line == 0) return;
  const char *text = (const char *)(uintptr_t)information->command_line;
  for (unsigned index = 0; index < sizeof copy - 1 && text[index] != 0; index++) copy[index] = text[index];
}

const char *command_line(void) {
  return copy;
}

bool command_line_has(const char *word) {
  const char *text = copy;
  while (*text != 0) {
    unsigned length = 0;
    while (word[length] != 0 && text[length] == word[length]) length++;
    if (word[length] == 0 && (text[length] == 0 || text[length] == ' ')) return true;
    while (*text != 0 && *text != ' ') text++;
    while (*text == ' ') text++;
  }
  return false;
}
