/**
 * QEMU in a network namespace of its own, with taps that carry packet headers. They need root and /dev/net/tun, of which
 * nothing outside of the namespace is changed.
 */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { findQemu } from "../../../kernel-shim/qemu/find-qemu.js";

const FIRST_LINES = (count: number): string => {
  const taps = Array.from({ length: count }, (_, index) => `tap${index}`);
  return [
    "set -e",
    // The kernel's own talk on the bridge would be received as well.
    "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
    "ip link add bridge type bridge mcast_snooping 0",
    ...taps.flatMap((tap) => [
      `ip tuntap add ${tap} mode tap vnet_hdr`,
      `ip link set ${tap} master bridge`,
      `ip link set ${tap} up`,
    ]),
    "ip link set bridge up",
  ].join("\n");
};

/** Why there can be no taps here; undefined where there can. */
export function whyNoTaps(): string | undefined {
  const { status, error } = spawnSync("unshare", ["-n", "/bin/sh", "-c", FIRST_LINES(1)], { stdio: "ignore" });
  if (error !== undefined) return "there is no program unshare";
  return status === 0 ? undefined : "taps in a network namespace need root and /dev/net/tun";
}

/** Calls `use` with a program that is QEMU with taps `tap0` and so on, joined by a bridge. */
export function withTaps(count: number, use: (program: string, folder: string) => void): void {
  const folder = mkdtempSync(path.join(os.tmpdir(), "virtio-taps-"));
  try {
    const program = path.join(folder, "qemu");
    const qemu = findQemu()?.path ?? "";
    const start = `exec unshare -n /bin/sh -c '${FIRST_LINES(count)}\nexec "$0" "$@"' ${qemu} "$@"`;
    writeFileSync(program, `#!/bin/sh\n[ "$1" = --version ] && exec ${qemu} --version\n${start}\n`);
    chmodSync(program, 0o700);
    use(program, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
