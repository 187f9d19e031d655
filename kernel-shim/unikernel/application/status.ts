/** What `main` returns, and the unikernel ends the machine with. */
export const enum Status {
  /** The file was fetched, checked, and the machine was told to stop. */
  DONE = 0,
  NO_CARD = 1,
  NO_DISK = 2,
  /** A device is there, but does not work. */
  DEVICE = 3,
  NO_LEASE = 4,
  /** The server has an address, but nobody knows where it is. */
  NO_SERVER = 5,
  FILE_MISSING = 6,
  FILE_TOO_LARGE = 7,
  /** The transfer broke off. */
  TRANSFER = 8,
  /** The command line names no file. */
  NO_FILE_NAME = 9,
}
