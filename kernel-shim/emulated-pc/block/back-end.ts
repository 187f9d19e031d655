/** What is behind a block device: sectors of 512 bytes. */

export const SECTOR_BYTES = 512;

export interface BlockBackEnd {
  /** Sectors of 512 bytes. */
  readonly sectors: number;
  readonly isReadOnly: boolean;
  /** Fills `target`, whole sectors within the disk, from `sector` on. Throws when that fails. */
  read(sector: number, target: Uint8Array): void;
  /** Stores `source`, whole sectors within the disk, from `sector` on. Throws when that fails. */
  write(sector: number, source: Uint8Array): void;
  /** What `sectors` sectors within the disk hold from `sector` on is not needed any more, and may change. */
  discard(sector: number, sectors: number): void;
  /** Returns when everything written is on stable storage. Throws when that fails. */
  flush(): void;
  /** Changes the size; new sectors are zero. Throws where that is impossible. */
  resize(sectors: number): void;
  /** Lets go of files. A second call does nothing. */
  close(): void;
}
