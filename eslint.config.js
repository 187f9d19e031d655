// TypeScript gets the strict type-checked rules. AssemblyScript is not TypeScript to a type checker, so it gets the
// rules that need no types.

import { builtinModules } from "node:module";
import js from "@eslint/js";
import prettier from "eslint-config-prettier";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** The folders in tests/unit are AssemblyScript; what lies beside them, to compile and run it, is TypeScript. */
const assemblyScript = [
  "assembly/**/*.ts",
  "tests/unit/*/**/*.ts",
  "kernel-shim/unikernel/application/**/*.ts",
  "tests/unikernel/applications/**/*.ts",
  "tools/bench/qemu/application/**/*.ts",
];

/** What runs in a web page as well as in Node. */
const anyHost = [
  "kernel-shim/machine.ts",
  "kernel-shim/javascript/**/*.ts",
  "kernel-shim/emulated-pc/**/*.ts",
  "kernel-shim/grants/**/*.ts",
  "kernel-shim/v86/**/*.ts",
  "kernel-shim/network/**/*.ts",
];
/** What touches files stands apart from it: imported by who needs it, and by nothing of the above. */
const withFiles = [
  "kernel-shim/javascript/load.ts",
  "kernel-shim/emulated-pc/block/image-file.ts",
  "kernel-shim/v86/load-emulator.ts",
  "kernel-shim/emulated-pc/net/capture.ts",
  "kernel-shim/network/pcap.ts",
];
const nodeGlobals = ["Buffer", "process", "global", "require", "module", "__dirname", "__filename"];
const nodeTimers = ["setImmediate", "clearImmediate"];

/**
 * Which way imports go in the stack: drivers, virtio, queues, transports, PCI, memory. Nothing knows what is above it, and
 * no driver another one.
 */
const above = {
  "assembly/abi/**": ["/memory/", "/pci/", "/virtio/", "/drivers/"],
  "assembly/memory/**": ["/pci/", "/virtio/", "/drivers/"],
  "assembly/pci/**": ["/virtio/", "/drivers/"],
  "assembly/virtio/*.ts": ["/drivers/"],
  "assembly/virtio/transport/**": ["/queue/", "/lifecycle", "/initialization", "/ending", "/drivers/"],
  "assembly/virtio/queue/**": ["/lifecycle", "/initialization", "/ending", "/drivers/"],
  "assembly/drivers/*/**": ["^\\.\\./[a-z]"],
};
const directions = Object.entries(above).map(([folder, parts]) => ({
  files: [folder],
  rules: {
    "no-restricted-imports": [
      "error",
      { patterns: [{ regex: parts.join("|"), message: "Imports go one way: see assembly/README.md." }] },
    ],
  },
}));

const typeScriptRules = {
  extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
  languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
  rules: {
    eqeqeq: "error",
    "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    "@typescript-eslint/no-floating-promises": [
      "error",
      {
        allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["test", "it", "describe", "suite"] }],
      },
    ],
    "@typescript-eslint/no-empty-function": ["error", { allow: ["arrowFunctions", "methods"] }],
    "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
  },
};

export default defineConfig(
  globalIgnores(["build/", "node_modules/"]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    ignores: assemblyScript,
    ...typeScriptRules,
  },
  {
    files: anyHost,
    ignores: withFiles,
    rules: {
      "no-restricted-globals": ["error", ...nodeGlobals, ...nodeTimers],
      "no-restricted-imports": [
        "error",
        {
          paths: builtinModules,
          patterns: ["node:*", ...withFiles.map((file) => `**/${file.split("/").at(-1).replace(".ts", ".js")}`)],
        },
      ],
    },
  },
  {
    files: assemblyScript,
    languageOptions: {
      parser: tseslint.parser,
      // Decorators on functions and variables.
      parserOptions: { allowInvalidAST: true },
    },
    plugins: { "@typescript-eslint": tseslint.plugin },
    rules: {
      "no-var": "error",
      "prefer-const": "error",
      // 64-bit numbers are exact in AssemblyScript, and globals are the compiler's business.
      "no-loss-of-precision": "off",
      "no-undef": "off",
      "no-redeclare": "off",
      "no-unused-vars": "off",
      "@typescript-eslint/no-unused-vars": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/explicit-function-return-type": "error",
    },
  },
  ...directions,
  {
    files: ["**/*.mjs", "**/*.js"],
    languageOptions: { globals: { console: "readonly", process: "readonly" } },
  },
  prettier,
);
