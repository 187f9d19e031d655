/**
 * What crosses the module's boundary, read from the AssemblyScript sources with TypeScript's parser: numbers, records,
 * the functions that the kernel supplies and the functions that the module exports, each with its comment.
 *
 * AssemblyScript is close enough to TypeScript for the parser; types are resolved here, by name.
 */

import { dirname, posix } from "node:path";
import ts from "typescript";
import { missingFrom, partOf } from "./parts.js";
import { abiFiles, entryFile, kernelFile, type Build, type Parts } from "./project.js";

/** An integer type, as a record's field or a parameter has it. */
export type Scalar = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "u64" | "i64";

export const scalarSizes: Readonly<Record<Scalar, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  u64: 8,
  i64: 8,
};

interface Documented {
  readonly name: string;
  /** The text of the comment in front of the declaration, line by line; empty when there is none. */
  readonly documentation: readonly string[];
}

export interface EnumerationMember extends Documented {
  readonly value: number;
}

export interface Enumeration extends Documented {
  readonly members: readonly EnumerationMember[];
}

export interface Constant extends Documented {
  readonly type: Scalar;
  readonly value: bigint;
}

export interface Field extends Documented {
  readonly type: Scalar;
  readonly offset: number;
}

export interface RecordLayout extends Documented {
  readonly fields: readonly Field[];
  readonly alignment: number;
  /** Distance of two records in an array: rounded up to the alignment. */
  readonly size: number;
}

/** The type of a parameter or result: how it travels, and what the source calls it when that says more. */
export interface ValueType {
  readonly scalar: Scalar;
  /** The enumeration that the value is one of. */
  readonly enumeration?: string;
  /** The record whose address the value is. */
  readonly record?: string;
}

export interface Parameter {
  readonly name: string;
  readonly type: ValueType;
}

export interface FunctionSignature extends Documented {
  readonly parameters: readonly Parameter[];
  /** Undefined: nothing is returned. */
  readonly result: ValueType | undefined;
  /** A line comment that opens a group of declarations, on the first of the group. */
  readonly heading?: string;
}

export interface ExportedFunction extends FunctionSignature {
  /** The driver or transport that it comes with. Undefined: every module has it. */
  readonly part: string | undefined;
}

export interface Abi {
  readonly enumerations: readonly Enumeration[];
  readonly constants: readonly Constant[];
  readonly records: readonly RecordLayout[];
  /** In the order of the kernel interface. */
  readonly imports: readonly FunctionSignature[];
  /** In the order of the module's entry file. */
  readonly exports: readonly ExportedFunction[];
}

/** The sources say something that cannot be part of the boundary. */
export class AbiError extends Error {}

/** The functions of this prefix reach memory outside linear memory; only the ported build imports them. */
const portedPrefix = "phys_";
/** Those of this prefix reach registers in memory, which these transports have. */
const mmioPrefix = "mmio_";
const mmioTransports = ["mmio", "modern-pci"];

/** The functions that a module may import; of everything when `parts` is left out. */
export function importsOf(abi: Abi, build: Build, parts?: Parts): readonly FunctionSignature[] {
  const hasMmio = parts === undefined || parts.transports.some((name) => mmioTransports.includes(name));
  return abi.imports
    .filter(({ name }) => build === "ported" || !name.startsWith(portedPrefix))
    .filter(({ name }) => hasMmio || !name.startsWith(mmioPrefix));
}

/** The functions that a module of these parts exports; all when `parts` is left out. */
export function exportsOf(abi: Abi, parts?: Parts): readonly ExportedFunction[] {
  const missing = parts === undefined ? [] : missingFrom(parts);
  return abi.exports.filter(({ part }) => part === undefined || !missing.includes(part));
}

/** Reads a source by its name relative to the project's folder. */
export type ReadSource = (name: string) => string;

/** Builds the model. Throws `AbiError` when a declaration does not fit. */
export function readAbi(readSource: ReadSource): Abi {
  const sources = new SourceFiles(readSource);
  const enumerations = abiFiles.flatMap((name) =>
    declarations(sources.get(name), ts.isEnumDeclaration).map(enumeration),
  );
  const constants = [kernelFile, ...abiFiles].flatMap((name) => constantsOf(sources.get(name)));
  const records = abiFiles.flatMap((name) => declarations(sources.get(name), ts.isClassDeclaration).map(recordLayout));
  const types = new Types(
    sources,
    new Set(enumerations.map(({ name }) => name)),
    new Set(records.map(({ name }) => name)),
  );
  const imports = declarations(sources.get(kernelFile), ts.isFunctionDeclaration).map((node) => signature(node, types));
  const exports = exportedFunctions(sources, entryFile).map(({ name, node, part }) => ({
    ...signature(node, types),
    name,
    part,
  }));
  return { enumerations, constants, records, imports, exports };
}

/** Parsed sources, each read once. */
class SourceFiles {
  private readonly files = new Map<string, ts.SourceFile>();

  constructor(private readonly read: ReadSource) {}

  get(name: string): ts.SourceFile {
    let file = this.files.get(name);
    if (file === undefined) {
      file = ts.createSourceFile(name, this.read(name), ts.ScriptTarget.Latest, true);
      this.files.set(name, file);
    }
    return file;
  }
}

/** The types that may be used at the boundary. */
class Types {
  constructor(
    private readonly sources: SourceFiles,
    private readonly enumerations: ReadonlySet<string>,
    private readonly records: ReadonlySet<string>,
  ) {}

  /** What a type in a signature stands for. */
  resolve(node: ts.TypeNode | undefined): ValueType {
    if (node === undefined) throw new AbiError("a type is missing in a function that crosses the boundary");
    const name = node.getText();
    if (name === "bool") return { scalar: "u32" };
    if (name === "usize") return { scalar: "u32" };
    if (isScalar(name)) return { scalar: name };
    if (this.enumerations.has(name)) return { scalar: "i32", enumeration: name };
    if (this.records.has(name)) return { scalar: "u32", record: name };
    const alias = this.findAlias(node.getSourceFile(), name);
    if (alias !== undefined) return this.resolve(alias);
    throw new AbiError(`${place(node)} has type ${name}, which cannot cross the boundary`);
  }

  /** The type behind a `type` declaration, of this file or imported from another. */
  private findAlias(file: ts.SourceFile, name: string): ts.TypeNode | undefined {
    for (const statement of file.statements) {
      if (ts.isTypeAliasDeclaration(statement) && statement.name.text === name) return statement.type;
      if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
      const bindings = statement.importClause?.namedBindings;
      if (bindings === undefined || !ts.isNamedImports(bindings)) continue;
      const specifier = bindings.elements.find((element) => element.name.text === name);
      if (specifier === undefined) continue;
      const target = resolveModule(file.fileName, statement.moduleSpecifier.text);
      return this.findAlias(this.sources.get(target), (specifier.propertyName ?? specifier.name).text);
    }
    return undefined;
  }
}

function isScalar(name: string): name is Scalar {
  return name in scalarSizes;
}

function place(node: ts.Node): string {
  const file = node.getSourceFile();
  const { line } = file.getLineAndCharacterOfPosition(node.getStart());
  return `${file.fileName}:${String(line + 1)}`;
}

function resolveModule(from: string, specifier: string): string {
  return `${posix.join(dirname(from), specifier)}.ts`;
}

function isExported(node: ts.Node): boolean {
  return (
    ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
  );
}

function declarations<Wanted extends ts.Statement>(
  file: ts.SourceFile,
  isWanted: (node: ts.Statement) => node is Wanted,
): Wanted[] {
  return file.statements.filter(isWanted).filter(isExported);
}

/** The comments right in front of a declaration: its documentation, and a line comment that heads a group. */
function comments(node: ts.Node): { documentation: string[]; heading?: string } {
  const text = node.getSourceFile().text;
  const ranges = ts.getLeadingCommentRanges(text, node.getFullStart()) ?? [];
  let documentation: string[] = [];
  let heading: string | undefined;
  let end = node.getStart();
  for (const range of ranges.reverse()) {
    // A blank line ends what belongs to the declaration; above it are comments on the file.
    if (/\n\s*\n/.test(text.slice(range.end, end))) break;
    const comment = text.slice(range.pos, range.end);
    if (range.kind === ts.SyntaxKind.SingleLineCommentTrivia) heading = comment.replace(/^\/\/\s*/, "");
    else documentation = commentLines(comment);
    end = range.pos;
  }
  return heading === undefined ? { documentation } : { documentation, heading };
}

/** The text between the marks of a block comment. */
function commentLines(comment: string): string[] {
  return comment
    .replace(/^\/\*\*?/, "")
    .replace(/\*\/$/, "")
    .trim()
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd());
}

/** The value of a number that the source writes out, with its sign. */
function literal(node: ts.Expression | undefined): bigint {
  if (node !== undefined && ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken) {
    return -literal(node.operand);
  }
  if (node === undefined || !ts.isNumericLiteral(node)) {
    throw new AbiError(`${node === undefined ? "a value" : place(node)} is not written out as a number`);
  }
  return BigInt(node.getText().replaceAll("_", ""));
}

function enumeration(node: ts.EnumDeclaration): Enumeration {
  return {
    name: node.name.text,
    documentation: comments(node).documentation,
    members: node.members.map((member) => ({
      name: member.name.getText(),
      documentation: comments(member).documentation,
      value: Number(literal(member.initializer)),
    })),
  };
}

function constantsOf(file: ts.SourceFile): Constant[] {
  return declarations(file, ts.isVariableStatement).flatMap((statement) =>
    statement.declarationList.declarations.map((node) => {
      const type = node.type?.getText() ?? "";
      if (!isScalar(type)) throw new AbiError(`${place(node)} has no integer type`);
      return {
        name: node.name.getText(),
        documentation: comments(statement).documentation,
        type,
        value: literal(node.initializer),
      };
    }),
  );
}

function roundUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** Lays the fields out as AssemblyScript does for an `@unmanaged` class: in order, each aligned to its own size. */
function recordLayout(node: ts.ClassDeclaration): RecordLayout {
  const name = node.name?.text ?? "";
  const isUnmanaged = (ts.getDecorators(node) ?? []).some(
    (decorator) => decorator.expression.getText() === "unmanaged",
  );
  if (!isUnmanaged) throw new AbiError(`${place(node)}: the record ${name} is not @unmanaged`);
  const fields: Field[] = [];
  let end = 0;
  let alignment = 1;
  for (const member of node.members) {
    if (!ts.isPropertyDeclaration(member)) throw new AbiError(`${place(member)}: a record has nothing but fields`);
    const type = member.type?.getText() ?? "";
    if (!isScalar(type)) throw new AbiError(`${place(member)}: a field of a record has no integer type`);
    const offset = roundUp(end, scalarSizes[type]);
    fields.push({ name: member.name.getText(), documentation: comments(member).documentation, type, offset });
    end = offset + scalarSizes[type];
    alignment = Math.max(alignment, scalarSizes[type]);
  }
  return { name, documentation: comments(node).documentation, fields, alignment, size: roundUp(end, alignment) };
}

function signature(node: ts.FunctionDeclaration, types: Types): FunctionSignature {
  return {
    name: node.name?.text ?? "",
    ...comments(node),
    parameters: node.parameters.map((parameter) => ({
      name: parameter.name.getText(),
      type: types.resolve(parameter.type),
    })),
    result: node.type?.kind === ts.SyntaxKind.VoidKeyword ? undefined : types.resolve(node.type),
  };
}

interface NamedFunction {
  readonly name: string;
  readonly node: ts.FunctionDeclaration;
  readonly part: string | undefined;
}

/** The functions that a file exports, its own and those that it passes on from other files. */
function exportedFunctions(sources: SourceFiles, fileName: string): NamedFunction[] {
  const file = sources.get(fileName);
  const own = declarations(file, ts.isFunctionDeclaration).map((node) => ({
    name: node.name?.text ?? "",
    node,
    part: undefined,
  }));
  const passedOn = file.statements.filter(ts.isExportDeclaration).flatMap((statement) => {
    const { exportClause, moduleSpecifier } = statement;
    if (exportClause === undefined || !ts.isNamedExports(exportClause)) {
      throw new AbiError(`${place(statement)}: exports must be named one by one`);
    }
    if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) {
      throw new AbiError(`${place(statement)}: exports must say which file they come from`);
    }
    const target = resolveModule(fileName, moduleSpecifier.text);
    const available = exportedFunctions(sources, target);
    return exportClause.elements.map((element) => {
      const original = element.propertyName?.text ?? element.name.text;
      const found = available.find(({ name }) => name === original);
      if (found === undefined) throw new AbiError(`${place(element)}: ${target} exports no function ${original}`);
      return { name: element.name.text, node: found.node, part: partOf(moduleSpecifier.text) };
    });
  });
  return [...own, ...passedOn];
}
