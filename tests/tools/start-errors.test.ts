/** What `npm start` cannot do is said in one line on stderr, with exit status 2, and nothing is written. */

import assert from "node:assert/strict";
import { existsSync, linkSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { sha256, start, withFolder, type StartOptions } from "./start-command.js";

interface Case {
  name: string;
  parameters: readonly string[];
  /** What the line has to say. */
  message: RegExp;
  options?: StartOptions;
}

const IMAGE_BYTES = 4096;

/** In a folder with `disk.img`, `same.img` (the same file), `odd.img`, `empty.img`, and the folder `folder`. */
const cases: readonly Case[] = [
  { name: "an unknown option", parameters: ["--colour"], message: /unknown option '--colour'.*--help/ },
  { name: "an option that is nearly right", parameters: ["--prot"], message: /unknown option '--prot'.*--help/ },
  { name: "an argument too many", parameters: ["disk.img"], message: /too many arguments.*--help/ },
  { name: "an option without its value", parameters: ["--disk"], message: /argument missing.*--help/ },
  {
    name: "an unknown profile",
    parameters: ["--profile", "xen"],
    message: /"xen".*qemu, virtualbox, bhyve, large, minimal/,
  },
  { name: "a profile of another object's", parameters: ["--profile", "toString"], message: /no profile "toString"/ },
  { name: "a profile for QEMU", parameters: ["--qemu", "--profile", "qemu"], message: /--profile.*--qemu.*leave one/ },
  { name: "--modern without QEMU", parameters: ["--modern"], message: /--modern is about QEMU.*--qemu/ },
  { name: "a machine without QEMU", parameters: ["--machine", "q35"], message: /--machine is about QEMU.*--qemu/ },
  {
    name: "a machine that does not exist",
    parameters: ["--qemu", "--machine", "isapc"],
    message: /no machine "isapc".*pc, q35, microvm/,
  },
  { name: "--write without a disk", parameters: ["--write"], message: /--disk FILE/ },
  { name: "a disk that is missing", parameters: ["--disk", "missing.img"], message: /no file .*missing\.img.*--disk/ },
  { name: "a disk below a file", parameters: ["--disk", "disk.img/x"], message: /no file .*disk\.img\/x/ },
  { name: "a directory as disk", parameters: ["--disk", "folder"], message: /folder is a directory.*--disk/ },
  { name: "a device as disk", parameters: ["--disk", "/dev/null"], message: /no ordinary file/ },
  { name: "an empty name as disk", parameters: ["--disk", ""], message: /is a directory/ },
  { name: "an empty disk", parameters: ["--disk", "empty.img"], message: /empty.*512/ },
  {
    name: "a disk with half a sector",
    parameters: ["--disk", "odd.img"],
    message: /1000 bytes.*512.*truncate -s 1024/,
  },
  { name: "half a sector with --qemu", parameters: ["--qemu", "--disk", "odd.img"], message: /1000 bytes.*512/ },
  { name: "a capture in no folder", parameters: ["--pcap", "none/x.pcap"], message: /no folder .*none.*--pcap/ },
  { name: "a directory as capture", parameters: ["--pcap", "folder"], message: /folder is a directory.*--pcap/ },
  {
    name: "a capture that cannot be made",
    parameters: ["--pcap", "/proc/x.pcap"],
    message: /\/proc\/x\.pcap.*another file/,
  },
  {
    name: "the disk as capture",
    parameters: ["--disk", "disk.img", "--pcap", "disk.img"],
    message: /overwrite the disk image.*another name/,
  },
  {
    name: "the disk as capture by another name",
    parameters: ["--disk", "disk.img", "--write", "--pcap", "same.img"],
    message: /overwrite the disk image.*another name/,
  },
  {
    name: "a capture beside a disk that is missing",
    parameters: ["--pcap", "new.pcap", "--disk", "missing.img"],
    message: /missing\.img/,
  },
  {
    name: "QEMU where there is none",
    parameters: ["--qemu", "--pcap", "new.pcap"],
    message: /QEMU is not on this computer.*apt-get install qemu-system-x86/,
    options: { environment: { PATH: "/nonexistent" } },
  },
  {
    name: "an unknown option with --json",
    parameters: ["--json", "-", "--colour"],
    message: /unknown option '--colour'/,
  },
  { name: "an option as a file's name", parameters: ["--json", "--ported"], message: /--json <file>.*--ported is an/ },
  { name: "a document in no folder", parameters: ["--json", "none/x.json"], message: /no folder .*none.*--json/ },
  {
    name: "a document over the disk",
    parameters: ["--disk", "disk.img", "--json", "same.img"],
    message: /--json would overwrite the disk image.*another name/,
  },
  {
    name: "a document over the capture",
    parameters: ["--pcap", "new.pcap", "--json", "new.pcap"],
    message: /--json and --pcap both name .*new\.pcap/,
  },
  { name: "--raw without a disk", parameters: ["--raw"], message: /--disk FILE/ },
];

for (const { name, parameters, message, options } of cases) {
  test(`${name} is refused in one line`, () => {
    withFolder((folder) => {
      const image = path.join(folder, "disk.img");
      writeFileSync(image, Buffer.alloc(IMAGE_BYTES, 7));
      linkSync(image, path.join(folder, "same.img"));
      writeFileSync(path.join(folder, "odd.img"), Buffer.alloc(1000));
      writeFileSync(path.join(folder, "empty.img"), "");
      mkdirSync(path.join(folder, "folder"));
      const before = { names: readdirSync(folder), contents: sha256(image), changed: statSync(image).mtimeMs };

      const { status, stdout, stderr } = start(parameters, { ...options, folder });

      assert.equal(status, 2, stderr);
      assert.equal(stdout, "");
      assert.match(stderr, /^[^\n]+\n$/, "one line");
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\bat .*\.[tj]s:\d/, "no stack trace");
      assert.deepEqual(readdirSync(folder), before.names);
      assert.equal(sha256(image), before.contents);
      assert.equal(statSync(image).mtimeMs, before.changed);
      assert.ok(!existsSync(path.join(folder, "new.pcap")));
    });
  });
}

test("--help lists every option and does nothing else", () => {
  const { status, stdout, stderr } = start(["--help", "--pcap", "/nonexistent/x.pcap"]);
  assert.equal(status, 0);
  assert.equal(stderr, "");
  for (const option of [
    "--qemu",
    "--machine",
    "--modern",
    "--disk",
    "--write",
    "--pcap",
    "--profile",
    "--ported",
    "--json",
    "--raw",
    "-h, --help",
  ]) {
    assert.ok(stdout.includes(option), option);
  }
});
