/** The device-specific configuration space: its bytes, and which of them exist with which feature. [virtio-1.2 §2.5] */

export interface ConfigurationField {
  readonly name: string;
  /** From the start of the device configuration. */
  readonly offset: number;
  readonly bytes: 1 | 2 | 4 | 6 | 8;
  /** Mask of the feature that must be offered for the field to exist; 0: always there. */
  readonly feature: number;
  /** Mask of the feature with which the driver may write the field; 0 or absent: never. */
  readonly writableWith?: number;
  /** Whether offering that feature is enough until DRIVER_OK: legacy drivers may write before they negotiate. */
  readonly isWritableEarly?: boolean;
  /** Whether the modern interface shows it read-only. */
  readonly isWritableByLegacyOnly?: boolean;
  /** Mask of a feature with which the driver must not write the field, as there is another way. */
  readonly readOnlyWith?: number;
}

/** Width of a modern driver's accesses: the six bytes of a MAC are read one by one. [virtio-1.2 §4.1.3.1] */
export function accessWidth(field: ConfigurationField): number {
  if (field.bytes === 8) return 4;
  return field.bytes === 6 ? 1 : field.bytes;
}

export class ConfigurationSpace {
  readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(readonly fields: readonly ConfigurationField[]) {
    this.bytes = new Uint8Array(Math.max(0, ...fields.map((field) => field.offset + field.bytes)));
    this.view = new DataView(this.bytes.buffer);
  }

  /** The field that byte `offset` belongs to. */
  fieldAt(offset: number): ConfigurationField | undefined {
    return this.fields.find((field) => offset >= field.offset && offset < field.offset + field.bytes);
  }

  /** The low 32 bits of a field, by name. */
  get(name: string): number {
    const { offset, bytes } = this.named(name);
    let value = 0;
    for (let index = Math.min(bytes, 4) - 1; index >= 0; index--)
      value = value * 256 + this.view.getUint8(offset + index);
    return value;
  }

  /** Sets a field by name; an array for the six-byte ones. Tells nobody: see `VirtioDevice.configurationChanged`. */
  set(name: string, value: number | bigint | Uint8Array): void {
    const field = this.named(name);
    if (value instanceof Uint8Array) this.bytes.set(value.subarray(0, field.bytes), field.offset);
    else if (field.bytes === 8) this.view.setBigUint64(field.offset, BigInt(value), true);
    else if (field.bytes === 4) this.view.setUint32(field.offset, Number(value), true);
    else if (field.bytes === 2) this.view.setUint16(field.offset, Number(value), true);
    else this.view.setUint8(field.offset, Number(value));
  }

  private named(name: string): ConfigurationField {
    const field = this.fields.find((candidate) => candidate.name === name);
    if (field === undefined) throw new Error(`there is no configuration field ${name}`);
    return field;
  }
}
