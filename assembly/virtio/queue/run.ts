/**
 * What the loops share that put a run of chains into the ring, or take one from it, with the queue's fields in locals.
 *
 * Such a loop calls nothing: after every call, and every store, the compiler would read the fields again, which costs as
 * much as all the rest. `Virtqueue` does the same one chain at a time.
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
  store<u16>(freeStack + room * 2, <u16>head);
  room++;
  for (let descriptor = head; --count != 0; room++) {
    descriptor = stateAt(states, descriptor).next;
    store<u16>(freeStack + room * 2, <u16>descriptor);
  }
  return room;
}
