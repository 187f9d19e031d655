/** The emulated PC as unit tests use it. */

// Described in tests/unit/mock-machine.ts.
@external("mock", "machine_start")
export declare function machine_start(profile: u32, completion: u32, seed: u32): void;


@external("mock", "machine_add_block")
export declare function machine_add_block(sectors: u32, isReadOnly: u32): u32;


@external("mock", "machine_add_net")
export declare function machine_add_net(): u32;


@external("mock", "machine_grant_ports")
export declare function machine_grant_ports(base: u32, length: u32): void;


@external("mock", "machine_lend_scattered")
export declare function machine_lend_scattered(bytes: u32): u32;


@external("mock", "machine_wait")
export declare function machine_wait(milliseconds: u32): u32;


@external("mock", "machine_violations")
export declare function machine_violations(): u32;


@external("mock", "machine_port_reads")
export declare function machine_port_reads(): u32;


@external("mock", "machine_port_writes")
export declare function machine_port_writes(): u32;


@external("mock", "machine_barriers")
export declare function machine_barriers(): u32;


@external("mock", "machine_messages")
export declare function machine_messages(): u32;


@external("mock", "machine_message")
export declare function machine_message(index: u32): u32;

/** The hosts that the machine can be. */
export const enum Profile {
  QEMU = 0,
  VIRTUALBOX = 1,
  BHYVE = 2,
  LARGE = 3,
  MINIMAL = 4,
}

/** When devices do their work. */
export const enum Completion {
  /** When they are notified. */
  IMMEDIATE = 0,
  /** While the stack relaxes or the test waits. */
  DEFERRED = 1,
  /** As DEFERRED, in any order. */
  SHUFFLED = 2,
}
