/**
 * Makes AssemblyScript sources tell which way each condition goes, and lets it be sent the other way: a condition asks an
 * import about every outcome. Nothing else changes, and every line stays where it is.
 *
 * A condition is what stands in an `if`, a loop, `?:`, `&&`, `||` or `!`, each operand by itself, and every comparison;
 * `min` and `max` decide, too, and a mask does where it cuts something off. Branches are counted in functions only: what
 * stands outside of them is decided by the compiler, as are conditions of constants.
 */

import ts from "typescript";
import { type ParsedSources, relativeName } from "./stack-sources.js";

/** One way that a condition can go. */
export interface Branch {
  /** Relative to the project's folder. */
  readonly file: string;
  /** Of the condition, or of the arm where that is what is counted; from 1 on. */
  readonly line: number;
  readonly column: number;
  /** Which way: "true", "false", "first", "second", "cut", "then", "no else", "case". */
  readonly kind: string;
}

export interface FoundBranch extends Branch {
  /** What decides; null where it cannot be sent the other way. */
  readonly condition: ts.Expression | null;
}

export interface Instrumented {
  readonly sources: ReadonlyMap<string, string>;
  /** A branch's index is the number that the import is called with. */
  readonly branches: readonly FoundBranch[];
}

/** Where the import is found: called with a branch's number, it returns 0, or 1 to have the condition go the other way. */
export const COVERAGE_MODULE = "coverage";
export const COVERAGE_IMPORT = "reached";

const CALL = "__reached";
/**
 * In the first line of every source. The functions that choose take the numbers `branch` and `branch` + 1, the one that
 * masks takes `branch`; the first operand's type is the result's, as it is with the compiler's own.
 */
const DECLARATIONS = [
  `@external("${COVERAGE_MODULE}", "${COVERAGE_IMPORT}") declare function ${CALL}(branch: u32): bool; `,
  ...[
    ["min", "<"],
    ["max", ">"],
  ].map(
    ([name, operator]) =>
      `function __${name}<T, U>(branch: u32, first: T, second: U): T { return first ${operator} <T>second ` +
      `? (${CALL}(branch) ? <T>second : first) : (${CALL}(branch + 1) ? first : <T>second); } `,
  ),
  "function __mask<T, U>(branch: u32, value: T, mask: U): T { const rest = value & <T>mask; " +
    `return rest != value && ${CALL}(branch) ? value : rest; } `,
].join("");

const COMPARISONS = new Set([
  ts.SyntaxKind.EqualsEqualsToken,
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
  ts.SyntaxKind.LessThanToken,
  ts.SyntaxKind.LessThanEqualsToken,
  ts.SyntaxKind.GreaterThanToken,
  ts.SyntaxKind.GreaterThanEqualsToken,
]);

/** The compiler's functions whose results it knows. */
const COMPILER_KNOWS = new Set(["isDefined", "offsetof", "sizeof", "alignof"]);

interface Insertion {
  readonly position: number;
  readonly text: string;
  /** Whether it belongs to what ends at the position. */
  readonly isClosing: boolean;
  /** Grows from outer to inner nodes. */
  readonly sequence: number;
}

/** Instruments sources that were parsed together. */
export function instrument({ checker, files }: ParsedSources): Instrumented {
  const branches: FoundBranch[] = [];
  const sources = new Map<string, string>();
  for (const file of files) sources.set(relativeName(file.fileName), instrumentFile(file, checker, branches));
  return { sources, branches };
}

/** Returns the instrumented source, and adds its branches. */
function instrumentFile(file: ts.SourceFile, checker: ts.TypeChecker, branches: FoundBranch[]): string {
  const before = branches.length;
  const insertions: Insertion[] = [];
  let sequence = 0;

  /** Returns the new branch's number. */
  function add(node: ts.Node, kind: string, condition: ts.Expression | null = null): number {
    const { line, character } = file.getLineAndCharacterOfPosition(node.getStart(file));
    const name = relativeName(file.fileName);
    return branches.push({ file: name, line: line + 1, column: character + 1, kind, condition }) - 1;
  }

  function insert(position: number, text: string, isClosing: boolean): void {
    insertions.push({ position, text, isClosing, sequence: sequence++ });
  }

  function wrap(node: ts.Node, opening: string, closing: string): void {
    insert(node.getStart(file), opening, false);
    insert(node.end, closing, true);
  }

  /** Both outcomes of what is neither `&&` nor `||` nor `!`. A number counts as true unless it is 0. */
  function decision(node: ts.Expression): void {
    if (testsForNull(node) || isDecidedByCompiler(node)) return;
    wrap(node, "((!!(", `) && !${CALL}(${add(node, "true", node)})) || ${CALL}(${add(node, "false", node)}))`);
  }

  /** What stands where something true or false is asked for. */
  function condition(node: ts.Expression): void {
    if (ts.isParenthesizedExpression(node)) condition(node.expression);
    else if (!isLogical(node) && !isNegation(node) && !isComparison(node)) decision(node);
  }

  /** Whether this is, or has in it, a test for null, which the compiler must see as it is to know more afterwards. */
  function testsForNull(node: ts.Expression): boolean {
    if (ts.isParenthesizedExpression(node)) return testsForNull(node.expression);
    if (isNegation(node)) return testsForNull(node.operand);
    if (isLogical(node)) return testsForNull(node.left) || testsForNull(node.right);
    if (isComparison(node)) return [node.left, node.right].some(({ kind }) => kind === ts.SyntaxKind.NullKeyword);
    const type = checker.getTypeAtLocation(node);
    return (type.isUnion() ? type.types : [type]).some(({ flags }) => flags & ts.TypeFlags.Null);
  }

  /** Whether nothing in it is known only when it runs: the compiler leaves one of the arms out. */
  function isDecidedByCompiler(node: ts.Node): boolean {
    if (ts.isCallExpression(node)) return COMPILER_KNOWS.has(node.expression.getText(file));
    if (node.kind === ts.SyntaxKind.ThisKeyword) return false;
    if (ts.isIdentifier(node)) return isConstant(node);
    if (ts.isPropertyAccessExpression(node)) return isDecidedByCompiler(node.expression);
    return ts.forEachChild(node, (child) => (isDecidedByCompiler(child) ? undefined : true)) !== true;
  }

  function isConstant(name: ts.Identifier): boolean {
    let symbol = checker.getSymbolAtLocation(name);
    if (symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
    const declaration = symbol?.valueDeclaration;
    if (declaration === undefined || !ts.isVariableDeclaration(declaration)) {
      return declaration === undefined || !ts.isParameter(declaration);
    }
    const statement = declaration.parent.parent;
    return (declaration.parent.flags & ts.NodeFlags.Const) !== 0 && ts.isSourceFile(statement.parent);
  }

  /** Where a condition cannot be counted, its arms are. */
  function ifStatement({ expression, thenStatement, elseStatement, end }: ts.IfStatement): void {
    if (!testsForNull(expression)) return;
    // First, because it stands behind the end of the other arm, at the same position.
    if (elseStatement === undefined) insert(end, ` else { ${CALL}(${add(thenStatement, "no else")}); }`, true);
    wrap(thenStatement, `{ ${CALL}(${add(thenStatement, "then")}); `, " }");
    if (elseStatement !== undefined) wrap(elseStatement, `{ ${CALL}(${add(elseStatement, "else")}); `, " }");
  }

  function conditionalExpression({ condition: asked, whenTrue, whenFalse }: ts.ConditionalExpression): void {
    if (!testsForNull(asked)) return;
    wrap(whenTrue, `(${CALL}(${add(whenTrue, "then")}), `, ")");
    wrap(whenFalse, `(${CALL}(${add(whenFalse, "else")}), `, ")");
  }

  function switchStatement({ expression, caseBlock }: ts.SwitchStatement): void {
    for (const clause of caseBlock.clauses) {
      const first = clause.statements[0];
      // Without statements, the next clause is meant as well.
      if (first !== undefined) insert(first.getStart(file), `${CALL}(${add(clause, "case")}); `, false);
    }
    if (caseBlock.clauses.some((clause) => ts.isDefaultClause(clause))) return;
    insert(caseBlock.end - 1, ` default: { ${CALL}(${add(expression, "no case")}); } `, true);
  }

  /** `min` and `max`, unless the first operand is a literal, which takes its type from its surroundings. */
  function choice(node: ts.CallExpression): void {
    const [first, second] = node.arguments;
    const name = node.expression.getText(file);
    if ((name !== "min" && name !== "max") || first === undefined || second === undefined) return;
    if (ts.isNumericLiteral(first) || (isDecidedByCompiler(first) && isDecidedByCompiler(second))) return;
    const number = add(node, "first", node);
    add(node, "second", node);
    insert(node.expression.getStart(file), "__", false);
    const type = node.typeArguments?.[0];
    if (type !== undefined) insert(type.end, `, ${type.getText(file)}`, true);
    insert(first.getStart(file), `${number}, `, false);
  }

  /** `&`, unless a condition asks just about that, or the first operand takes its type from its surroundings. */
  function mask(node: ts.BinaryExpression): void {
    const { left, operatorToken } = node;
    if (isAskedAbout(node) || ts.isNumericLiteral(left) || isDecidedByCompiler(node)) return;
    wrap(node, `__mask(${add(node, "cut", node)}, `, ")");
    // A comma in its place.
    insert(operatorToken.getStart(file), ", /*", false);
    insert(operatorToken.end, "*/", true);
  }

  function visit(node: ts.Node, isInFunction: boolean): void {
    if (isInFunction) {
      if (ts.isIfStatement(node)) {
        ifStatement(node);
        condition(node.expression);
      } else if (ts.isConditionalExpression(node)) {
        conditionalExpression(node);
        condition(node.condition);
      } else if (ts.isWhileStatement(node) || ts.isDoStatement(node)) condition(node.expression);
      else if (ts.isForStatement(node)) {
        if (node.condition !== undefined) condition(node.condition);
      } else if (ts.isSwitchStatement(node)) switchStatement(node);
      else if (ts.isCallExpression(node)) choice(node);
      else if (isNegation(node)) condition(node.operand);
      else if (isLogical(node)) {
        condition(node.left);
        condition(node.right);
      } else if (isComparison(node)) decision(node);
      else if (isMask(node)) mask(node);
    }
    ts.forEachChild(node, (child) => visit(child, isInFunction || ts.isFunctionLike(node)));
  }

  visit(file, false);
  return branches.length === before ? file.text : DECLARATIONS + apply(file.text, insertions);
}

function isLogical(node: ts.Node): node is ts.BinaryExpression {
  if (!ts.isBinaryExpression(node)) return false;
  const { kind } = node.operatorToken;
  return kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken;
}

function isComparison(node: ts.Node): node is ts.BinaryExpression {
  return ts.isBinaryExpression(node) && COMPARISONS.has(node.operatorToken.kind);
}

function isMask(node: ts.Node): node is ts.BinaryExpression {
  return ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.AmpersandToken;
}

/** Whether a mask is a condition, or compared with something. */
function isAskedAbout(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isParenthesizedExpression(parent) || isMask(parent)) return isAskedAbout(parent);
  if (ts.isIfStatement(parent) || ts.isWhileStatement(parent)) return true;
  return isComparison(parent) || isLogical(parent) || (ts.isConditionalExpression(parent) && parent.condition === node);
}

function isNegation(node: ts.Node): node is ts.PrefixUnaryExpression {
  return ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken;
}

/** What ends at a position stands before what begins there; inner nodes end before outer ones, and begin behind them. */
function apply(source: string, insertions: readonly Insertion[]): string {
  const sorted = [...insertions].sort((left, right) => {
    if (left.position !== right.position) return left.position - right.position;
    if (left.isClosing !== right.isClosing) return left.isClosing ? -1 : 1;
    return left.isClosing ? right.sequence - left.sequence : left.sequence - right.sequence;
  });
  const parts: string[] = [];
  let position = 0;
  for (const insertion of sorted) {
    parts.push(source.slice(position, insertion.position), insertion.text);
    ({ position } = insertion);
  }
  parts.push(source.slice(position));
  return parts.join("");
}
