/** Runs the only purpose of a child process in tests: a machine that its owner leaves without closing it. */

import { QemuMachine } from "../../../kernel-shim/qemu/qemu-machine.js";
import { marked } from "./processes.js";

const [mark = "", ending = ""] = process.argv.slice(2);
const machine = new QemuMachine({ extraArguments: marked(mark) });
process.stdout.write(`${machine.name} is ready\n`);
if (ending === "throw") {
  throw new Error("An error that nobody catches");
}
if (ending === "wait") {
  setInterval(() => {}, 1000);
}
