/**
 * Interrupts, and how to wait for them. Each has a number: 0 to 15 are the lines of a PC, those from 16 to 62 are messages
 * that devices send to the local APIC.
 *
 * Interrupts are open only while the processor sleeps in `interrupts_wait`. So a handler never comes between two
 * instructions of the driver stack, and it has nothing to do but to note the number.
 */
#ifndef CPU_INTERRUPTS_H
#define CPU_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

/** A number that never comes. */
#define NO_INTERRUPT 63u

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

/** Whether there are so many numbers for messages left, and somebody who takes messages. */
bool interrupts_have_messages(uint32_t count);

/**
 * Takes numbers for messages, for good.
 *
 * @returns the first of `count` numbers that follow each other; 0 when there are not so many, or nobody takes messages
 */
uint32_t interrupts_take_messages(uint32_t count);

/** What a device has to write for a message to arrive with that number, and where. */
uint32_t interrupts_message_data(uint32_t number);
uint64_t interrupts_message_address(void);

/**
 * Sleeps until an interrupt has arrived that was allowed or taken, or the clock reaches `deadline` nanoseconds;
 * UINT64_MAX: no deadline. Lines are held back until the next call: by then their devices must have been asked, with
 * `interrupt(handle)`.
 *
 * @returns the numbers of those that arrived, one bit each; 0 at the deadline
 */
uint64_t interrupts_wait(uint64_t deadline);

/** How often the processor has slept, and for how many nanoseconds in all. */
uint64_t interrupts_sleeps(void);
uint64_t interrupts_slept_ns(void);

/** Called when the vector of a number arrives. */
void interrupt_arrived(unsigned number);

#endif
