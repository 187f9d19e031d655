/**
 * Writes the generated part of `kernel-shim/REFERENCE.md`: every import, export, record and number of the boundary, with
 * the comments of the sources. It stands between two markers; `npm run format` brings it up to date, and a test compares.
 */

import GithubSlugger from "github-slugger";
import type { Abi, Enumeration, FunctionSignature, RecordLayout, ValueType } from "./abi-model.js";
import { withSection } from "./marked-section.js";

export const documentFile = "kernel-shim/REFERENCE.md";

/** The document with its generated part as the model has it, not yet in the project's layout. */
export function documentAbi(document: string, abi: Abi): string {
  return withSection(document, documentFile, "abi", reference(abi));
}

/** What has a name and a comment, and perhaps opens a group. */
interface Entry {
  readonly name: string;
  readonly documentation: readonly string[];
  readonly heading?: string;
}

interface Chapter {
  readonly title: string;
  readonly items: readonly Entry[];
  readonly text: string;
}

function reference(abi: Abi): string {
  const chapters: Chapter[] = [
    { title: "Imports, module `kernel`", items: abi.imports, text: functionEntries(abi.imports) },
    { title: "Exports", items: abi.exports, text: functionEntries(abi.exports) },
    { title: "Records", items: abi.records, text: abi.records.map(recordEntry).join("\n\n") },
    { title: "Numbers", items: abi.enumerations, text: abi.enumerations.map(enumerationEntry).join("\n\n") },
  ];
  // What two headings have in common, GitHub numbers in their order: `interrupt` is a call, `Interrupt` its result.
  const slugger = new GithubSlugger();
  const contents = chapters.map(({ title, items }) => {
    slugger.slug(title);
    let anchor = "";
    const names = items.map((item) => {
      if (item.heading !== undefined) anchor = slugger.slug(groupOf(item.heading).title);
      if (item.documentation.length > 0) anchor = slugger.slug(item.name);
      return `[\`${item.name}\`](#${anchor})`;
    });
    return `- **${title}**: ${names.join(", ")}`;
  });
  const texts = chapters.flatMap(({ title, text }) => [`## ${title}`, linkRecords(text, abi.records)]);
  return [contents.join("\n"), ...texts].join("\n\n");
}

/** Makes links of the names of records, except in headings and code. */
function linkRecords(text: string, records: readonly RecordLayout[]): string {
  const names = new RegExp(`(^#.*$|\`[^\`]*\`)|\\b(${records.map(({ name }) => name).join("|")})\\b`, "gm");
  return text.replaceAll(names, (all: string, kept: string | undefined) =>
    kept === undefined ? `[${all}](#${all.toLowerCase()})` : all,
  );
}

function typeName({ scalar, enumeration, record }: ValueType): string {
  if (enumeration !== undefined) return `${scalar}: ${enumeration}`;
  return record === undefined ? scalar : `${scalar}: ${record}*`;
}

function signature({ name, parameters, result }: FunctionSignature): string {
  const list = parameters.map((parameter) => `${parameter.name}: ${typeName(parameter.type)}`).join(", ");
  return `${name}(${list})${result ? ` → ${typeName(result)}` : ""}`;
}

/** What opens a group of functions: its first words are the title. */
function groupOf(heading: string): { title: string; text: string } {
  const [, title = heading, text = ""] = /^(.*?)[.:] (.*)$/.exec(heading) ?? [];
  return { title, text: text.charAt(0).toUpperCase() + text.slice(1) };
}

/** Functions that need no words stand together, below what is said of all of them. */
function functionEntries(functions: readonly FunctionSignature[]): string {
  const parts: string[] = [];
  let undocumented: string[] = [];
  const flush = (): void => {
    if (undocumented.length > 0) parts.push(["```", ...undocumented, "```"].join("\n"));
    undocumented = [];
  };
  for (const each of functions) {
    const { name, documentation, heading } = each;
    if (heading !== undefined || documentation.length > 0) flush();
    if (heading !== undefined) {
      const { title, text } = groupOf(heading);
      parts.push(`### ${title}`, text);
    }
    if (documentation.length === 0) undocumented.push(signature(each));
    else parts.push(`### \`${name}\``, ["```", signature(each), "```"].join("\n"), prose(documentation));
  }
  flush();
  return parts.join("\n\n");
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
    `### \`${name}\``,
    `${size} bytes.`,
    ...(documentation.length > 0 ? [prose(documentation)] : []),
    ["| at | type | field | |", "| -: | - | - | - |", ...rows].join("\n"),
  ].join("\n\n");
}

function enumerationEntry({ name, documentation, members }: Enumeration): string {
  const rows = members.map((member) => `| \`${member.name}\` | ${member.value} | ${cell(member.documentation)} |`);
  return [
    `### \`${name}\``,
    ...(documentation.length > 0 ? [prose(documentation)] : []),
    ["| name | value | |", "| - | -: | - |", ...rows].join("\n"),
  ].join("\n\n");
}
