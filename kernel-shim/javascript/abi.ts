/**
 * The module's ABI, as `npm run build` generates it from `assembly/abi/` and `assembly/index.ts`: record layouts,
 * codes with what they mean, and the type of the exports. The one place that names the generated file.
 */

export * from "../../build/abi.js";
