/**
 * What a build is made of: drivers and transports, most of which it can be made without.
 *
 * A driver is a folder of `assembly/drivers`, and a transport a file of `assembly/virtio/transport`. The sources ask
 * `isDefined(WITHOUT_NET)` where a build without the driver `net` differs; what no source asks for is in every build.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join, parse } from "node:path";
import { CommandError } from "../command/command-error.js";
import { entryFile, projectFolder, type Parts } from "./project.js";

const sourceFolder = "assembly";
const driversFolder = "assembly/drivers";
const transportsFolder = "assembly/virtio/transport";
/** What any build can do without beside drivers and transports; calls of its own are in a file of its name. */
const extraParts: readonly string[] = [
  "assign",
  "block-commands",
  "msix",
  "net-control",
  "net-debug",
  "net-offloads",
  "suspend",
];

/** The driver that an extra belongs to, whose name its own begins with; undefined of others. */
function driverOf(extra: string): string | undefined {
  return available().drivers.find((driver) => extra.startsWith(`${driver}-`));
}

/** Without the extras of drivers that are not there. */
function consistent(parts: Parts): Parts {
  const hasItsDriver = (extra: string): boolean => {
    const driver = driverOf(extra);
    return driver === undefined || parts.drivers.includes(driver);
  };
  return { ...parts, extras: parts.extras.filter(hasItsDriver) };
}

/** The transport that came first, which every build has as long as no source asks for its flag. */
const firstTransport = "legacy-pci";
/** The name by which the sources ask whether a part is left out. */
export function flagOf(part: string): string {
  return `WITHOUT_${part.toUpperCase().replaceAll("-", "_")}`;
}

interface AvailableParts extends Parts {
  /** Flags that a source asks for. */
  readonly flags: ReadonlySet<string>;
}

let known: AvailableParts | undefined;

function available(): AvailableParts {
  known ??= readAvailable();
  return known;
}

function readAvailable(): AvailableParts {
  const folder = join(projectFolder, sourceFolder);
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const flags = new Set(
    sources
      .map((name) => readFileSync(join(folder, name), "utf8"))
      .flatMap((text) => Array.from(text.matchAll(/isDefined\((WITHOUT_\w+)\)/g), ([, flag = ""]) => flag)),
  );
  const drivers = readdirSync(join(projectFolder, driversFolder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const transports = readdirSync(join(projectFolder, transportsFolder))
    .map((name) => parse(name).name)
    .filter((name) => name === firstTransport || (flags.has(flagOf(name)) && !extraParts.includes(name)));
  return { drivers: drivers.sort(), transports: transports.sort(), extras: extraParts, flags };
}

/** Everything that there is. */
export function allParts(): Parts {
  const { drivers, transports, extras } = available();
  return { drivers, transports, extras };
}

/** Drivers first. */
export function namesOf({ drivers, transports, extras }: Parts): string[] {
  return [...drivers, ...transports, ...extras];
}

/** Whether a part is neither a driver nor a transport. */
export function isExtra(part: string): boolean {
  return extraParts.includes(part);
}

/** Whether a build can be made without this. */
export function canLeaveOut(part: string): boolean {
  return isExtra(part) || available().flags.has(flagOf(part));
}

/** What a build of these is made without. */
export function missingFrom(parts: Parts): string[] {
  const present = namesOf(parts);
  return namesOf(allParts()).filter((name) => !present.includes(name));
}

/** Everything but one part. */
export function allBut(part: string): Parts {
  const without = (names: readonly string[]): string[] => names.filter((name) => name !== part);
  const { drivers, transports, extras } = allParts();
  return consistent({ drivers: without(drivers), transports: without(transports), extras: without(extras) });
}

/**
 * The part that a file belongs to; undefined when every build has it.
 *
 * @param specifier as the entry file imports it
 */
export function partOf(specifier: string): string | undefined {
  const { transports, extras } = allParts();
  const { name } = parse(specifier);
  if (extras.includes(name)) return name;
  return /^\.\/drivers\/([^/]+)\//.exec(specifier)?.[1] ?? transports.find((transport) => transport === name);
}

/** The names in a list of the command line. Throws `CommandError` for names that there are not. */
function chosen(list: string | undefined, kind: string, names: readonly string[]): readonly string[] {
  if (list === undefined) return names;
  const wanted = list.split(",").map((name) => name.trim());
  const unknown = wanted.find((name) => name !== "" && !names.includes(name));
  if (unknown !== undefined) {
    throw new CommandError(`there is no ${kind} "${unknown}"; there are ${names.join(", ")}`);
  }
  return names.filter((name) => wanted.includes(name));
}

/** The same, where there must be one. */
function chosenSome(list: string | undefined, kind: string, names: readonly string[]): readonly string[] {
  const left = chosen(list, kind, names);
  if (left.length === 0) throw new CommandError(`a build needs a ${kind}: one or more of ${names.join(", ")}`);
  return left;
}

/** What the command line chooses: a list with commas for each kind of part, all of them where there is none. */
export interface Choice {
  readonly drivers?: string;
  readonly transports?: string;
  readonly extras?: string;
}

/** Throws `CommandError`. */
export function chooseParts({ drivers, transports, extras }: Choice): Parts {
  const all = allParts();
  const parts = consistent({
    drivers: chosenSome(drivers, "driver", all.drivers),
    transports: chosenSome(transports, "transport", all.transports),
    extras: chosen(extras, "extra", all.extras),
  });
  const needed = missingFrom(parts).find((name) => !canLeaveOut(name));
  if (needed !== undefined) throw new CommandError(`every build has ${needed}, which cannot be left out; name it, too`);
  return parts;
}

/** How the compiler leaves out what is missing from a build: by its options, and by an entry file with fewer exports. */
export function compileOptionsFor(parts: Parts): {
  readonly options: readonly string[];
  readonly sources: ReadonlyMap<string, string>;
} {
  const missing = missingFrom(parts);
  const entry = readFileSync(join(projectFolder, entryFile), "utf8");
  const reduced = entry.replaceAll(/^export \{[^}]*\} from "([^"]*)";\n/gm, (all: string, specifier: string) =>
    missing.includes(partOf(specifier) ?? "") ? "" : all,
  );
  return {
    options: missing.flatMap((name) => ["--use", `${flagOf(name)}=1`]),
    sources: missing.length === 0 ? new Map<string, string>() : new Map([[entryFile, reduced]]),
  };
}
