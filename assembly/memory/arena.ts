/**
 * The stack's private memory: ring state, device state, nothing that a device can reach.
 *
 * The kernel hands it over once, with `initialize`. Blocks are taken when a device is opened and given back when it
 * is closed, never on the data path. First fit over a list of adjacent blocks; neighbours that are free are joined
 * when the list is searched.
 *
 *     ┌────────┬───────────┬────────┬──────┬─ ─ ─┐
 *     │ header │ block     │ header │ free │ …   │
 *     └────────┴───────────┴────────┴──────┴─ ─ ─┘
 */
const ALLOCATION_HEADER_BYTES: u32 = 16;
/** Blocks are multiples of it. */
const BLOCK_BYTES_MIN: u32 = 16;

/** What stands before every block. */
@unmanaged
class Header {
  /** Bytes of the block after this header, a multiple of 16. */
  bytes: u32;
  used: bool;
}

let arenaStart: u32 = 0;
let arenaEnd: u32 = 0;

/** Whether any of the `bytes` from `start` on belong to the arena. */
export function overlapsArena(start: u32, bytes: u32): bool {
  return <u64>start + bytes > arenaStart && start < arenaEnd;
}

/** Whether `setArena` was called. */
export function arenaIsSet(): bool {
  return arenaStart != 0;
}

/**
 * Takes over the memory from `start`, a multiple of 16, to `end`.
 *
 * @returns whether it is large enough to hold anything
 */
export function setArena(start: u32, end: u32): bool {
  if (end - start < ALLOCATION_HEADER_BYTES + BLOCK_BYTES_MIN) return false;
  arenaStart = start;
  arenaEnd = end;
  const header = changetype<Header>(start);
  header.bytes = (end - start - ALLOCATION_HEADER_BYTES) & ~15;
  header.used = false;
  return true;
}

/** Takes a zeroed block of at least `bytes`, aligned to 16. Returns 0 when there is none. */
export function allocatePrivate(bytes: u32): u32 {
  const wanted = (bytes + 15) & ~15;
  let at = arenaStart;
  // By distance: the arena may end where the sum would wrap around 2^32.
  while (arenaEnd - at > ALLOCATION_HEADER_BYTES) {
    const header = changetype<Header>(at);
    if (!header.used) {
      joinFollowing(at);
      if (header.bytes >= wanted) {
        split(at, wanted);
        header.used = true;
        memory.fill(at + ALLOCATION_HEADER_BYTES, 0, wanted);
        return at + ALLOCATION_HEADER_BYTES;
      }
    }
    at += ALLOCATION_HEADER_BYTES + header.bytes;
  }
  return 0;
}

/** Gives back a block; 0 is allowed. */
export function freePrivate(pointer: u32): void {
  if (pointer != 0) changetype<Header>(pointer - ALLOCATION_HEADER_BYTES).used = false;
}

function joinFollowing(at: u32): void {
  const header = changetype<Header>(at);
  let next = at + ALLOCATION_HEADER_BYTES + header.bytes;
  while (arenaEnd - next > ALLOCATION_HEADER_BYTES && !changetype<Header>(next).used) {
    header.bytes += ALLOCATION_HEADER_BYTES + changetype<Header>(next).bytes;
    next = at + ALLOCATION_HEADER_BYTES + header.bytes;
  }
}

function split(at: u32, wanted: u32): void {
  const header = changetype<Header>(at);
  const rest = header.bytes - wanted;
  if (rest <= ALLOCATION_HEADER_BYTES) return;
  header.bytes = wanted;
  const remainder = changetype<Header>(at + ALLOCATION_HEADER_BYTES + wanted);
  remainder.bytes = rest - ALLOCATION_HEADER_BYTES;
  remainder.used = false;
}
