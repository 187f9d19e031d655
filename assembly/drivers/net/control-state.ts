/** What a card keeps for its control queue: memory for one command, and what was set, to be set again after a reset. */

/** Addresses that a card's filter can hold, of single stations and of groups together. */
export const TABLE_ADDRESSES_MAX: u32 = 64;
const TABLE_BYTES: u32 = TABLE_ADDRESSES_MAX * 8;


@unmanaged
export class ControlState {
  /** Physical address of the memory for commands, and its pointer; 0 without a control queue. */
  commandAddress: u64;
  command: u32;
  /** One bit for each VLAN whose frames are let in; 0 where VLANs are not filtered. */
  vlans: u32;
  /** The address that the card was given; 0: its own. */
  mac: u64;
  /** Bits of ReceiveMode: which were ever switched, and which are on. */
  modesSet: u32;
  modes: u32;
  /** Whether there is a table, how many addresses it has of each kind, and which of the two places below it is in. */
  hasTable: bool;
  stations: u32;
  groups: u32;
  tablePlace: u32;
  /** Bits by direction, 0 reception, 1 transmission: whether it was set how notifications are put off, and how. */
  coalescingSet: u32;
  receivePackets: u32;
  receiveMicroseconds: u32;
  transmitPackets: u32;
  transmitMicroseconds: u32;
  /** As the device states them, or unknown. */
  speed: u32;
  duplex: u32;

  /** The address table, an array of u64: stations, then groups. */
  get table(): u32 {
    return this.place(this.tablePlace);
  }

  /** Where the next one is put together. */
  get nextTable(): u32 {
    return this.place(this.tablePlace ^ 1);
  }

  private place(index: u32): u32 {
    return changetype<u32>(this) + TABLES_OFFSET + index * TABLE_BYTES;
  }
}

const TABLES_OFFSET: u32 = (offsetof<ControlState>() + 7) & ~7;

/** Bytes of it, tables included. */
export const CONTROL_STATE_BYTES: u32 = TABLES_OFFSET + 2 * TABLE_BYTES;
