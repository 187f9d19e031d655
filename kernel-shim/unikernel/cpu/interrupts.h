/**
 * Interrupt lines, and how to wait for them.
 *
 * Interrupts are open only while the processor sleeps in `interrupts_wait`. So a handler never comes between two
 * instructions of the driver stack, and it has nothing to do but to note the line.
 */
#ifndef CPU_INTERRUPTS_H
#define CPU_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

/** Sets the interrupt controllers up with every line masked but the timer's. */
void interrupts_start(void);

/**
 * Whether devices can have that line: not those of the timer (0), the keyboard (1), the second controller (2), the clock
 * (8) and the coprocessor (13), which chipsets do not route PCI to, and which are not level-triggered.
 * [Intel 82371SB (PIIX3), PIRQRC] [Intel ICH9, PIRQ_ROUT, ELCR]
 */
bool interrupts_is_line(uint64_t line);

/** Lets such a line through, from the next wait on. */
void interrupts_allow(unsigned line);

/**
 * Sleeps until an allowed line is asserted or the clock reaches `deadline` nanoseconds; UINT64_MAX: no deadline.
 * The line is held back until the next call: by then its devices must have been asked, with `interrupt(handle)`.
 *
 * @returns the lines that were asserted, one bit each; 0 at the deadline
 */
uint32_t interrupts_wait(uint64_t deadline);

/** How often the processor has slept, and for how many nanoseconds in all. */
uint64_t interrupts_sleeps(void);
uint64_t interrupts_slept_ns(void);

/** Called when a line's vector arrives. */
void line_arrived(unsigned line);

#endif
