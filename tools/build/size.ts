/** How large the small modules may be. */

/** What they should take, bytes of wasm. */
export const sizeBudget = 22 * 1024;
/** What they may take. */
export const sizeLimit = 24 * 1024;
