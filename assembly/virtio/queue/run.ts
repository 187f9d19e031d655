/**
 * What the loops share that put a run of chains into the ring, or take one from it. `Virtqueue` does the same one chain at a
 * time.
 *
 * Such a loop calls nothing, and has in locals what changes from chain to chain: the indices, and how much room there is.
 * Of what never changes, it has in locals only what its budget asks for, and reads the rest from the queue where it needs
 * it: engines keep the locals of a loop on the stack when there are more than registers, and a run of one fills them all
 * for nothing.
 */
import { CHAIN_STATE_BYTES, ChainState } from "./chain-state";

/**
 * The free descriptor on top of a stack of `room`. With 0, what stands below the stack, which `Virtqueue` keeps free for
 * that: the loops find out afterwards that there is no room, and write nothing there.
 */
@inline
export function freeAt(freeStack: u32, room: u32): u32 {
  return load<u16>(freeStack + room * 2 - 2);
}

/**
 * Where the descriptor goes that follows the one at `position`.
 *
 * @param inTable whether the chain lies in a table, where one follows the other, or in the ring
 * @param room how many free descriptors are left after the one at `position`; nothing is written to one more
 */
@inline
export function following(inTable: bool, position: u32, states: u32, freeStack: u32, room: u32): u32 {
  if (inTable) return position + 1;
  const next = freeAt(freeStack, room);
  stateAt(states, position).next = <u16>next;
  return next;
}


@inline
export function stateAt(states: u32, index: u32): ChainState {
  return changetype<ChainState>(states + index * CHAIN_STATE_BYTES);
}

/**
 * Puts the descriptors of a chain back onto the stack.
 *
 * @param count of them, at least one
 * @returns how many are free now
 */
@inline
export function releaseAt(states: u32, head: u32, count: u32, freeStack: u32, room: u32): u32 {
  let free = freeStack + room * 2;
  const end = free + count * 2;
  let descriptor = head;
  while (true) {
    store<u16>(free, <u16>descriptor);
    free += 2;
    if (free == end) break;
    descriptor = stateAt(states, descriptor).next;
  }
  return room + count;
}
