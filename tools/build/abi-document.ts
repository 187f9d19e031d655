/**
 * Writes the reference part of `kernel-shim/README.md`: every import, export, record and number of the boundary, with the
 * comments of the sources. It stands between two markers; `npm run format` brings it up to date, and a test compares.
 */

import type { Abi, Enumeration, FunctionSignature, RecordLayout, ValueType } from "./abi-model.js";
import { withSection } from "./marked-section.js";

export const documentFile = "kernel-shim/README.md";

/** The document with its reference part as the model has it, not yet in the project's layout. */
export function documentAbi(document: string, abi: Abi): string {
  return withSection(document, documentFile, "abi", reference(abi));
}

function reference(abi: Abi): string {
  return [
    "### Imports, module `kernel`",
    ...abi.imports.map(functionEntry),
    "### Exports",
    ...abi.exports.map(functionEntry),
    "### Records",
    "Little-endian, offsets and sizes in bytes. `build/virtio-abi.h` and `build/abi.ts` have the same layouts.",
    ...abi.records.map(recordEntry),
    "### Numbers",
    ...abi.enumerations.map(enumerationEntry),
  ].join("\n\n");
}

function typeName({ scalar, enumeration, record }: ValueType): string {
  if (enumeration !== undefined) return `${scalar}: ${enumeration}`;
  return record === undefined ? scalar : `${scalar}: ${record}*`;
}

function functionEntry({ name, documentation, parameters, result, heading }: FunctionSignature): string {
  const list = parameters.map((parameter) => `${parameter.name}: ${typeName(parameter.type)}`).join(", ");
  const head = `**\`${name}(${list})${result ? ` → ${typeName(result)}` : ""}\`**`;
  const paragraphs = [heading ? `_${heading}_\n\n${head}` : head];
  if (documentation.length > 0) paragraphs.push(prose(documentation));
  return paragraphs.join("\n\n");
}

/** Turns the tags of a comment into a list. */
function prose(lines: readonly string[]): string {
  const output: string[] = [];
  let isInTag = false;
  for (const line of lines) {
    const tag = /^@(param|returns)\s+(.*)$/.exec(line);
    if (!tag) {
      output.push(isInTag ? `  ${line.trim()}` : line);
      continue;
    }
    if (!isInTag && output.at(-1) !== "") output.push("");
    isInTag = true;
    const text = tag[2] ?? "";
    output.push(tag[1] === "returns" ? `- returns ${text}` : `- ${text.replace(/^(\S+)/, "`$1`:")}`);
  }
  return output.join("\n");
}

const cell = (lines: readonly string[]): string => lines.join(" ").replaceAll("|", "\\|");

function recordEntry({ name, documentation, fields, size }: RecordLayout): string {
  const rows = fields.map(
    (field) => `| ${field.offset} | ${field.type} | \`${field.name}\` | ${cell(field.documentation)} |`,
  );
  return [
    `**\`${name}\`**, ${size} bytes`,
    ...(documentation.length > 0 ? [prose(documentation)] : []),
    ["| at | type | field | |", "| -: | - | - | - |", ...rows].join("\n"),
  ].join("\n\n");
}

function enumerationEntry({ name, documentation, members }: Enumeration): string {
  const rows = members.map((member) => `| \`${member.name}\` | ${member.value} | ${cell(member.documentation)} |`);
  return [
    `**\`${name}\`**`,
    ...(documentation.length > 0 ? [prose(documentation)] : []),
    ["| name | value | |", "| - | -: | - |", ...rows].join("\n"),
  ].join("\n\n");
}
