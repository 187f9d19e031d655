/** Writes all that passes between a device and its back end to a capture file, with the machine's time counted from 1970 on. */
import { PcapWriter } from "../../network/pcap.js";
import type { NetworkBackend, NetworkPort } from "./backend.js";

export class CaptureBackend implements NetworkBackend {
  private readonly writer: PcapWriter;

  private port: NetworkPort | null = null;

  /**
   * Throws what `fs.openSync` throws if the file cannot be written.
   *
   * @param path of the file, which is created or emptied
   * @param inner what the device would be plugged into without a capture; closed with this one
   */
  constructor(
    path: string,
    private readonly inner: NetworkBackend,
  ) {
    this.writer = new PcapWriter(path);
  }

  /** Frames captured so far, of both directions. */
  get frames(): number {
    return this.writer.frames;
  }

  attach(port: NetworkPort): void {
    this.port = port;
    this.inner.attach({
      get time() {
        return port.time;
      },
      receive: (frame) => {
        this.write(frame);
        port.receive(frame);
      },
      setLink: (up) => port.setLink(up),
    });
  }

  send(frame: Uint8Array): void {
    this.write(frame);
    this.inner.send(frame);
  }

  close(): void {
    this.writer.close();
    this.inner.close?.();
  }

  private write(frame: Uint8Array): void {
    this.writer.write(frame, this.port?.time?.now ?? 0);
  }
}
