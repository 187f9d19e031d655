/** The kernel's command line: what follows QEMU's `-append`. */
#ifndef BOOT_COMMAND_LINE_H
#define BOOT_COMMAND_LINE_H

#include <stdbool.h>

#include "start-information.h"

/** Copies the command line, while the memory that the boot loader left it in can be read. */
void command_line_start(const struct start_information *information);

/** The command line, ended with a zero; as much of it as fits. */
const char *command_line(void);

/** Whether that word is on the command line, between blanks. */
bool command_line_has(const char *word);

#endif
