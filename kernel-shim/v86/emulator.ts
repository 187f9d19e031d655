/**
 * Starts v86 for its devices alone: its processor never runs an instruction. What is used of it is typed here, because
 * the package's own types end at its public calls.
 */

import type { LogLevel, V86, V86Options } from "v86";

/** Port accesses as v86's processor makes them. 32-bit values are signed. */
export interface V86Ports {
  port_read8(port: number): number;
  port_read16(port: number): number;
  port_read32(port: number): number;
  port_write8(port: number, value: number): void;
  port_write16(port: number, value: number): void;
  port_write32(port: number, value: number): void;
}

/** What all of v86's virtio devices have. */
interface V86Virtio {
  /** Bus and function: bus × 256 + device × 8 + function. */
  readonly pci_id: number;
  readonly device_status: number;
  notify_config_changes(): void;
  /** Sets DEVICE_NEEDS_RESET, and tells the driver. */
  needs_reset(): void;
}

/** v86's network card: what a driver sees in its configuration. */
export interface V86Card {
  /** Six octets. */
  readonly mac: Uint8Array;
  /** 1: the link is up. */
  status: number;
  readonly virtio: V86Virtio;
}

interface V86Processor {
  readonly io: V86Ports;
  /** A view of guest RAM: a new one for every property that is read. */
  readonly mem8: Uint8Array;
  readonly wasm_memory: WebAssembly.Memory;
  /** Where the state of an interrupt controller is in `wasm_memory`. */
  get_pic_addr_master(): number;
  get_pic_addr_slave(): number;
  readonly devices: {
    readonly pci: {
      /** Configuration space of each function, by bus and function. */
      readonly device_spaces: readonly (Int32Array | undefined)[];
      /** The functions, by bus and function, with the sizes of their base address registers. */
      readonly devices: readonly (
        { readonly pci_bars: readonly ({ readonly size: number } | undefined)[] } | undefined
      )[];
    };
    readonly virtio_net: V86Card;
  };
}

interface V86Bus {
  send(name: string, value: unknown): void;
}

export interface EmulatorOptions {
  /** The class `V86` of the package, and its `v86.wasm`; of the same build, release or debug. */
  readonly V86: typeof V86;
  readonly wasm: WebAssembly.Module;
  /**
   * True: v86's user network is at the other end of the card's cable. It answers ARP, DHCP, and pings of any address, and
   * reaches the outside world only for HTTP.
   */
  readonly userNetwork?: boolean;
  /** The card's MTU; 1500 unless given. */
  readonly mtu?: number;
  /** What the debug build says on the console: bits of v86's `LogLevel`; nothing unless given. */
  readonly logLevel?: LogLevel;
  /** Guest RAM, a power of two of at least 2 MiB; 32 MiB unless given. */
  readonly memoryBytes?: number;
}

const DEFAULT_MEMORY_BYTES = 32 * 1024 * 1024;
const VGA_MEMORY_BYTES = 1024 * 1024;
const BIOS_BYTES = 65536;
const LOG_NONE = 0 as unknown as LogLevel;
/** In the state of an interrupt controller: the levels of its inputs, a bit each. v86's saved states rely on the layout. */
const PIC_INPUTS = 11;

/** v86 with its virtio devices: a card, a 9P file system without files, a console and a balloon. */
export class Emulator {
  /** What was given for it. */
  readonly memoryBytes: number;
  readonly ports: V86Ports;
  readonly card: V86Card;
  readonly pci: V86Processor["devices"]["pci"];
  private readonly processor: V86Processor;
  private readonly bus: V86Bus;

  /** For `startEmulator` only. */
  constructor(
    /** v86 itself, for what it offers beside: listeners, its file system. */
    readonly v86: V86,
    memoryBytes: number,
  ) {
    const inside = v86 as unknown as { readonly v86: { readonly cpu: V86Processor }; readonly bus: V86Bus };
    this.memoryBytes = memoryBytes;
    this.processor = inside.v86.cpu;
    this.bus = inside.bus;
    this.ports = this.processor.io;
    this.card = this.processor.devices.virtio_net;
    this.pci = this.processor.devices.pci;
  }

  /** Guest RAM from physical address 0 on. Holds until v86's own memory grows, which only a running processor does. */
  get memory(): DataView {
    const { mem8 } = this.processor;
    return new DataView(mem8.buffer, mem8.byteOffset, mem8.length);
  }

  /** The levels of the interrupt controllers' 16 inputs, a bit each. Only v86's processor can reach their ports. */
  get interruptInputs(): number {
    const { processor } = this;
    const state = new Uint8Array(processor.wasm_memory.buffer);
    const low = state[processor.get_pic_addr_master() + PIC_INPUTS] ?? 0;
    const high = state[processor.get_pic_addr_slave() + PIC_INPUTS] ?? 0;
    return low | (high << 8);
  }

  /** Calls `listener` with every frame that the card sends, inside the notification that sends it. */
  addSendListener(listener: (frame: Uint8Array) => void): void {
    this.v86.add_listener("net0-send", listener);
  }

  removeSendListener(listener: (frame: Uint8Array) => void): void {
    this.v86.remove_listener("net0-send", listener);
  }

  /** A frame for the card. When it has no buffer for it, the frame is lost, and v86 says so on the console. */
  receive(frame: Uint8Array): void {
    this.bus.send("net0-receive", frame);
  }

  /** Keys for the console. Without a buffer they are lost. */
  type(bytes: Uint8Array): void {
    this.bus.send("virtio-console0-input-bytes", bytes);
  }

  /** Ends it: its timers and listeners. */
  async destroy(): Promise<void> {
    await this.v86.destroy();
  }
}

/** Resolves when the devices are there, after some tenth of a second. */
export function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const {
    V86: Start,
    wasm,
    userNetwork = false,
    mtu,
    logLevel = LOG_NONE,
    memoryBytes = DEFAULT_MEMORY_BYTES,
  } = options;
  const settings: V86Options = {
    wasm_fn: async (imports) => (await WebAssembly.instantiate(wasm, imports)).exports,
    memory_size: memoryBytes,
    vga_memory_size: VGA_MEMORY_BYTES,
    bios: { buffer: new ArrayBuffer(BIOS_BYTES) },
    autostart: false,
    disable_speaker: true,
    disable_keyboard: true,
    disable_mouse: true,
    log_level: logLevel,
    net_device: {
      type: "virtio",
      ...(userNetwork ? { relay_url: "fetch" } : {}),
      ...(mtu === undefined ? {} : { mtu }),
    },
    virtio_console: { type: "none" },
    virtio_balloon: true,
    filesystem: {},
  };
  return new Promise((resolve) => {
    const v86 = new Start(settings);
    v86.add_listener("emulator-loaded", () => resolve(new Emulator(v86, memoryBytes)));
  });
}
