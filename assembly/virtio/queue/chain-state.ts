/** What the driver knows of each descriptor, and of the chain that begins there. Private memory. */

/** Bytes of every record, whatever a driver adds to it: a power of two, so that finding one is a shift. */
export const CHAIN_STATE_BYTES: u32 = 32;

/** In `count`: the chain was out already when its queue's time began to run, see `watch`. One just added never is. */
export const CHAIN_IS_OLD: u32 = 0x8000_0000;

/** The queue's part; a driver may extend it up to CHAIN_STATE_BYTES. */
@unmanaged
export class ChainState {
  /** The driver's name for the chain. */
  token: u64;
  /** The driver's count of bytes: what the device may write, or what the request moves. */
  bytes: u32;
  /** The descriptor that follows in the ring, in all but the chain's last. */
  next: u16;
  /** Descriptors of the ring that the chain takes; 0: the device has no chain that begins here. With CHAIN_IS_OLD, or not. */
  count: u32;
}
