/**
 * What every export that takes a handle answers in every state of it. `kernel-shim/REFERENCE.md` has the same as a table.
 *
 * In each state three requests, or three frames and a received one, are out: with the device, or for the caller to take.
 */
import type { Result } from "../../../kernel-shim/javascript/index.js";
import type { HostedModule } from "./hosted.js";

/** The states of a handle that names a device. */
export const states = ["open", "broken", "gone", "gone after a reset", "closing", "suspended"] as const;
export type State = (typeof states)[number];

/** A result by its name, or a count. */
export type Answer = keyof typeof Result | number;

/** A call as a kernel makes it, with records that are as they should be. */
export type Call = (module: HostedModule, handle: number) => number;

export interface CallStates {
  readonly call: Call;
  readonly answers: Readonly<Record<State, Answer>>;
  /** States in which the call may reach the device's ports; in all others it reaches none. */
  readonly ports: readonly State[];
}

// A call is listed with its answers while the device is open, broken, gone, gone with a reset tried, closing, suspended.
function answers(
  open: Answer,
  broken: Answer,
  gone: Answer,
  goneAfterReset: Answer,
  closing: Answer,
  suspended: Answer,
) {
  return { open, broken, gone, "gone after a reset": goneAfterReset, closing, suspended };
}

const EVENTS_ARE_UNREAD = { broken: 8, gone: 16 } as const;

/** What a device of either kind has. */
const ofAll = {
  interrupt: {
    call: ({ exports }, handle) => exports.interrupt(handle),
    answers: answers(0, 0, "E_GONE", "E_GONE", "E_HANDLE", 0),
    ports: ["open", "broken", "gone", "gone after a reset"],
  },
  events: {
    call: ({ exports }, handle) => exports.events(handle),
    answers: answers(0, EVENTS_ARE_UNREAD.broken, EVENTS_ARE_UNREAD.gone, EVENTS_ARE_UNREAD.gone, 0, 0),
    ports: [],
  },
  enable_interrupts: {
    call: ({ exports }, handle) => exports.enable_interrupts(handle),
    answers: answers(0, "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  disable_interrupts: {
    call: ({ exports }, handle) => exports.disable_interrupts(handle),
    answers: answers("OK", "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  reset: {
    call: ({ exports }, handle) => exports.reset(handle),
    answers: answers("OK", "OK", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: ["open", "broken", "gone", "gone after a reset"],
  },
  resume: {
    call: ({ exports }, handle) => exports.resume(handle),
    answers: answers("OK", "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "OK"),
    ports: ["suspended"],
  },
  "suspend, giving up": {
    call: ({ exports }, handle) => exports.suspend(handle, 1),
    answers: answers("OK", "OK", "E_GONE", "E_GONE", "E_HANDLE", "OK"),
    ports: ["open", "broken"],
  },
} as const satisfies Record<string, CallStates>;

export const diskCalls: Readonly<Record<string, CallStates>> = {
  ...ofAll,
  suspend: {
    call: ({ exports }, handle) => exports.suspend(handle, 0),
    answers: answers(3, "OK", "E_GONE", "E_GONE", "E_HANDLE", "OK"),
    ports: ["broken"],
  },
  close: {
    call: ({ exports }, handle) => exports.close(handle),
    answers: answers(3, 3, 3, 3, "E_HANDLE", 3),
    ports: ["open", "broken", "gone", "gone after a reset"],
  },
  block_information: {
    call: (module, handle) => module.blockInformation(handle).result,
    answers: answers("OK", "OK", "OK", "OK", "OK", "OK"),
    ports: [],
  },
  block_statistics: {
    call: (module, handle) => module.blockStatistics(handle).result,
    answers: answers("OK", "OK", "OK", "OK", "OK", "OK"),
    ports: [],
  },
  // With no requests, so that an open disk takes all of them.
  block_submit: {
    call: (module, handle) => module.submit(handle, []).count,
    answers: answers(0, "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  block_poll: {
    call: (module, handle) => module.poll(handle, 8).count,
    answers: answers(0, "E_BROKEN", "E_GONE", 3, 3, 3),
    ports: [],
  },
  block_set_writeback: {
    call: ({ exports }, handle) => exports.block_set_writeback(handle, 1),
    answers: answers("OK", "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: ["open"],
  },
  // With a request of address 0, which no open disk takes.
  block_execute: {
    call: ({ exports }, handle) => exports.block_execute(handle, 0, 0, 0n),
    answers: answers("E_ARGUMENT", "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  block_await_all: {
    call: ({ exports }, handle) => exports.block_await_all(handle),
    answers: answers(0, "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
};

export const cardCalls: Readonly<Record<string, CallStates>> = {
  ...ofAll,
  suspend: {
    call: ({ exports }, handle) => exports.suspend(handle, 0),
    answers: answers(4, "OK", "E_GONE", "E_GONE", "E_HANDLE", "OK"),
    ports: ["broken"],
  },
  close: {
    call: ({ exports }, handle) => exports.close(handle),
    answers: answers(4, 4, 4, 4, "E_HANDLE", 4),
    ports: ["open", "broken", "gone", "gone after a reset"],
  },
  net_information: {
    call: (module, handle) => module.netInformation(handle).result,
    answers: answers("OK", "OK", "OK", "OK", "OK", "OK"),
    ports: [],
  },
  net_statistics: {
    call: (module, handle) => module.netStatistics(handle).result,
    answers: answers("OK", "OK", "OK", "OK", "OK", "OK"),
    ports: [],
  },
  // With no frames, so that an open card takes all of them.
  net_transmit: {
    call: (module, handle) => module.transmit(handle, []).count,
    answers: answers(0, "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  net_reclaim: {
    call: (module, handle) => module.reclaim(handle, 8).count,
    answers: answers(0, "E_BROKEN", "E_GONE", 3, 3, 3),
    ports: [],
  },
  net_receive: {
    call: (module, handle) => module.receive(handle, 8).count,
    answers: answers(0, "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  // The buffer that the caller was given first is number 0 in every state.
  net_release: {
    call: (module, handle) => module.release(handle, [0]),
    answers: answers(1, 1, 1, 1, 1, 1),
    ports: ["open"],
  },
  // With arguments that no card takes, so that nothing is asked of one that is silent.
  net_set_receive_mode: {
    call: ({ exports }, handle) => exports.net_set_receive_mode(handle, 6, 1),
    answers: answers("E_ARGUMENT", "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  net_set_mac_table: {
    call: ({ exports }, handle) => exports.net_set_mac_table(handle, 0, 1, 0, 0),
    answers: answers("E_ARGUMENT", "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  net_set_mac: {
    call: ({ exports }, handle) => exports.net_set_mac(handle, 0n),
    answers: answers("E_ARGUMENT", "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  net_add_vlan: {
    call: ({ exports }, handle) => exports.net_add_vlan(handle, 4096),
    answers: answers("E_ARGUMENT", "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  net_remove_vlan: {
    call: ({ exports }, handle) => exports.net_remove_vlan(handle, 4096),
    answers: answers("E_ARGUMENT", "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  // The card does not answer.
  net_acknowledge_announcement: {
    call: ({ exports }, handle) => exports.net_acknowledge_announcement(handle),
    answers: answers("E_BROKEN", "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: ["open"],
  },
  net_set_coalescing: {
    call: ({ exports }, handle) => exports.net_set_coalescing(handle, 0, 1, 1),
    answers: answers("E_UNSUPPORTED", "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  // The card was opened without `debug`.
  net_debug_transmit: {
    call: ({ exports, records }, handle) => exports.net_debug_transmit(handle, records, 60, 1),
    answers: answers("E_UNSUPPORTED", "E_UNSUPPORTED", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  net_debug_receive: {
    call: ({ exports, records }, handle) => exports.net_debug_receive(handle, records, 1518, 1),
    answers: answers("E_UNSUPPORTED", "E_UNSUPPORTED", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
  net_await_all: {
    call: ({ exports }, handle) => exports.net_await_all(handle),
    answers: answers(0, "E_BROKEN", "E_GONE", "E_GONE", "E_HANDLE", "E_SUSPENDED"),
    ports: [],
  },
};
