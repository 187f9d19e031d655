/** The grants that guard port space. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { assertViolations } from "./guest.js";

describe("port grants", () => {
  it("are counted: ports in two of them stay granted when one is revoked", () => {
    const pc = new EmulatedPc();
    pc.grantPorts(0xc000, 64);
    pc.grantPorts(0xc020, 64);
    pc.revokePorts(0xc020, 64);
    assert.equal(pc.isGranted(0xc000, 64), true);
    assert.equal(pc.isGranted(0xc040, 1), false);
    pc.grantPorts(0xc000, 64);
    pc.revokePorts(0xc000, 64);
    assert.equal(pc.isGranted(0xc000, 64), true);
    pc.revokePorts(0xc000, 64);
    pc.kernel.in8(0xc000);
    assertViolations(pc, ["port-not-granted"]);
  });

  it("below 0x1000 are refused: the system board and configuration mechanism 1 are no device's", () => {
    const pc = new EmulatedPc();
    for (const [base, length] of [
      [0x60, 32],
      [0xcc0, 64],
      [0xcf8, 8],
      [0xfff, 1],
      [0xfe0, 64],
    ] as const) {
      assert.throws(() => pc.grantPorts(base, length), /no device's to have/);
      assert.throws(() => pc.revokePorts(base, length), /no device's to have/);
    }
    pc.grantPorts(0x1000, 64);
    assert.equal(pc.isGranted(0xcf8, 8), true);
    assert.equal(pc.isGranted(0xfff, 1), false);
    assertViolations(pc, []);
  });

  it("that were not given cannot be revoked, and there are 65536 ports", () => {
    const pc = new EmulatedPc();
    pc.grantPorts(0xc000, 32);
    assert.throws(() => pc.revokePorts(0xc000, 64), /not all of ports 0xc000 to 0xc03f are granted/);
    assert.equal(pc.isGranted(0xc000, 32), true);
    assert.throws(() => pc.grantPorts(0xfff0, 17), RangeError);
    assert.throws(() => pc.grantPorts(-1, 2), RangeError);
  });
});
