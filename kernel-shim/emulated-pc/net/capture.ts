/** Writes all that passes between a device and its back end to a capture file, with virtual times from 1970 on. */
import { PcapWriter } from "../../network/pcap.js";
import type { VirtualTime } from "../time.js";
import type { NetworkBackend, NetworkPort } from "./backend.js";

export class CaptureBackend implements NetworkBackend {
  private readonly writer: PcapWriter;

  /**
   * @param path of the file, which is created or emptied
   * @param inner what the device would be plugged into without a capture; closed with this one
   */
  constructor(
    path: string,
    private readonly inner: NetworkBackend,
    private readonly time: VirtualTime,
  ) {
    this.writer = new PcapWriter(path);
  }

  /** Frames captured so far, of both directions. */
  get frames(): number {
    return this.writer.frames;
  }

  attach(port: NetworkPort): void {
    this.inner.attach({
      receive: (frame) => {
        this.writer.write(frame, this.time.now);
        port.receive(frame);
      },
      setLink: (up) => port.setLink(up),
    });
  }

  send(frame: Uint8Array): void {
    this.writer.write(frame, this.time.now);
    this.inner.send(frame);
  }

  close(): void {
    this.writer.close();
    this.inner.close?.();
  }
}
