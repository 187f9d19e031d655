/** How large the small modules may be, bytes of wasm. */
export const sizeLimit = 22 * 1024;
