/** How large a release module may be. */

/** What a module with net, block and the legacy transport should take, bytes of wasm. */
export const sizeBudget = 22 * 1024;
/** What it may take. */
export const sizeLimit = 24 * 1024;
