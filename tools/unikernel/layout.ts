/**
 * How the unikernel's linear memory is divided, the same for both ways of linking.
 *
 *     0          64 KiB           1 MiB                8 MiB                    16 MiB
 *     ┌──────────┬────────────────┬────────────────────┬────────────────────────┐
 *     │ nothing  │ a stack of its │ pages for devices  │ the application's data │
 *     │          │ own: its data  │                    │ and heap               │
 *     └──────────┴────────────────┴────────────────────┴────────────────────────┘
 *
 * The heap comes last, because AssemblyScript's runtimes take everything behind the data for it.
 */

const mebibyte = 1024 * 1024;

/** Bytes that a page of WebAssembly has. */
const pageBytes = 65536;

export const devicePagesStart = mebibyte;
export const devicePagesEnd = 8 * mebibyte;
export const applicationStart = devicePagesEnd;
export const memoryPages = (16 * mebibyte) / pageBytes;
