/** What an application must not do ends in a report and a status, never in silence. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BootedMachine, type Ending } from "../../tools/unikernel/boot.js";
import { kernelStatus } from "../../tools/unikernel/statuses.js";
import { misbehavingImage, timeoutMilliseconds } from "./bench.js";

const outOfBounds = { status: kernelStatus.outOfBounds, message: "out of bounds memory access" };

const notLent = { status: kernelStatus.pages, message: "memory was given back that was not lent like that" };

const misdeeds = {
  "read-behind": outOfBounds,
  "write-behind": outOfBounds,
  "write-far": outOfBounds,
  "fill-behind": outOfBounds,
  "text-behind": outOfBounds,
  "command-line-behind": outOfBounds,
  port: { status: kernelStatus.port, message: "access to port 0x0061, width 1" },
  "reset-button": { status: kernelStatus.port, message: "access to port 0x0cf9, width 1" },
  "port-range": { status: kernelStatus.port, message: "access to port 0x10000, width 1" },
  "free-unlent": notLent,
  "free-private": notLent,
  "free-part": notLent,
  "free-more": notLent,
  "free-within": notLent,
  "free-odd": notLent,
  "free-nothing": notLent,
  "free-twice": notLent,
  recursion: { status: kernelStatus.stack, message: "call stack exhausted" },
  unreachable: { status: kernelStatus.trap, message: "unreachable executed" },
  divide: { status: kernelStatus.trap, message: "integer divide by zero" },
};

/** What looks wrong, and is not. */
const deeds = ["last-byte", "records-behind", "free-lent"];

for (const memoryCheck of ["guard-pages", "comparisons"] as const) {
  describe(`with ${memoryCheck}`, () => {
    async function commit(commandLine: string): Promise<Ending> {
      const image = await misbehavingImage(memoryCheck);
      return new BootedMachine({ image, commandLine, timeoutMilliseconds }).ended;
    }

    for (const [misdeed, { status, message }] of Object.entries(misdeeds)) {
      test(`${misdeed} is reported`, async () => {
        const ending = await commit(misdeed);
        assert.equal(ending.status, status, ending.output);
        assert.ok(ending.output.includes(message), ending.output);
        assert.ok(ending.output.startsWith("before"), ending.output);
        assert.ok(!ending.output.includes("after"), ending.output);
      });
    }

    for (const deed of deeds) {
      test(`${deed} is no trap`, async () => {
        const ending = await commit(deed);
        assert.equal(ending.status, 0, ending.output);
        assert.ok(ending.output.includes("after"), ending.output);
      });
    }
  });
}

test("a load whose value nobody uses is left out with guard-pages, and reported with comparisons", async () => {
  const commandLine = "read-for-nothing";
  const boot = async (memoryCheck: "guard-pages" | "comparisons"): Promise<Ending> =>
    new BootedMachine({ image: await misbehavingImage(memoryCheck), commandLine, timeoutMilliseconds }).ended;
  const left = await boot("guard-pages");
  assert.equal(left.status, 0, left.output);
  const compared = await boot("comparisons");
  assert.equal(compared.status, kernelStatus.outOfBounds, compared.output);
});

test("an exception shows the registers", async () => {
  const image = await misbehavingImage("guard-pages");
  const { output } = await new BootedMachine({ image, commandLine: "write-behind", timeoutMilliseconds }).ended;
  assert.match(output, /exception 14, page fault/);
  for (const register of ["rip", "rsp", "rax", "r15", "cr2"]) {
    assert.match(output, new RegExp(`\\b${register} 0x[0-9a-f]{16}`));
  }
  assert.match(output, /index 0x1000000 is outside/);
});
