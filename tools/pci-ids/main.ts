/**
 * Makes `tools/start/virtual-machines.pci.ids` anew from a whole `pci.ids`, which Debian has in the package pci.ids:
 *
 *     node --import tsx tools/pci-ids/main.ts /usr/share/misc/pci.ids
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommandError } from "../command/command-error.js";
import { runCommand } from "../command/run-command.js";
import { projectFolder } from "../build/project.js";
import { selectPciIds } from "./select.js";

const target = "tools/start/virtual-machines.pci.ids";

await runCommand("tools/pci-ids/main.ts", () => {
  const [file, ...others] = process.argv.slice(2);
  if (file === undefined || others.length > 0) throw new CommandError("give the name of one pci.ids file");
  writeFileSync(join(projectFolder, target), selectPciIds(readFileSync(file, "utf8")));
  return 0;
});
