/**
 * Makes an AssemblyScript source tell which of its branches are reached: every arm that a condition has calls an import
 * with a number of its own. Nothing else changes, and every line stays where it is.
 *
 * AssemblyScript is close enough to TypeScript for its parser. Branches are counted in functions only: what stands
 * outside of them is decided by the compiler.
 */

import ts from "typescript";

/** One way that a condition can go. */
export interface Branch {
  /** As given to `instrument`. */
  readonly file: string;
  /** Of the condition's arm, or, where none is written, of the statement; from 1 on. */
  readonly line: number;
  readonly column: number;
  /** Which way: "then", "no else", "right of && skipped". */
  readonly kind: string;
}

export interface Instrumented {
  readonly source: string;
  /** In the order of their numbers, the first of which is that given to `instrument`. */
  readonly branches: readonly Branch[];
}

/** Where the import is found: called with a branch's number, it returns 0. */
export const COVERAGE_MODULE = "coverage";
export const COVERAGE_IMPORT = "reached";

const CALL = "__reached";
const DECLARATION = `@external("${COVERAGE_MODULE}", "${COVERAGE_IMPORT}") declare function ${CALL}(branch: u32): bool; `;

interface Insertion {
  readonly position: number;
  readonly text: string;
  /** Whether it belongs to what ends at the position. */
  readonly isClosing: boolean;
  /** Grows from outer to inner nodes. */
  readonly sequence: number;
}

/**
 * Instruments one source.
 *
 * Conditions keep what they decide, but `&&` and `||` become 0 or 1: no number may be taken from one. Where their left
 * side is a name that may be null, it is not counted whether the right one is skipped.
 *
 * @param firstNumber of its first branch
 */
export function instrument(file: string, source: string, firstNumber: number): Instrumented {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const branches: Branch[] = [];
  const insertions: Insertion[] = [];
  let sequence = 0;

  function branch(node: ts.Node, kind: string): string {
    const { line, character } = tree.getLineAndCharacterOfPosition(node.getStart(tree));
    branches.push({ file, line: line + 1, column: character + 1, kind });
    return `${CALL}(${firstNumber + branches.length - 1})`;
  }

  function insert(position: number, text: string, isClosing: boolean): void {
    insertions.push({ position, text, isClosing, sequence: sequence++ });
  }

  function wrap(node: ts.Node, before: string, after: string): void {
    insert(node.getStart(tree), before, false);
    insert(node.end, after, true);
  }

  /** An arm that is a statement. */
  function statementArm(node: ts.Statement, kind: string): void {
    wrap(node, `{ ${branch(node, kind)}; `, " }");
  }

  /** An arm that is an expression. */
  function expressionArm(node: ts.Expression, kind: string): void {
    wrap(node, `(${branch(node, kind)}, `, ")");
  }

  /** The way on when a condition is false. */
  function whenFalse(condition: ts.Expression, kind: string): void {
    wrap(condition, "((", `) || ${branch(condition, kind)})`);
  }

  function whenTrue(condition: ts.Expression, kind: string): void {
    wrap(condition, "((", `) && !${branch(condition, kind)})`);
  }

  function ifStatement(node: ts.IfStatement): void {
    const { thenStatement, elseStatement } = node;
    // First, because it stands behind the end of the other arm, at the same position.
    if (elseStatement === undefined) insert(node.end, ` else { ${branch(node, "no else")}; }`, true);
    statementArm(thenStatement, "then");
    if (elseStatement !== undefined) statementArm(elseStatement, "else");
  }

  function binaryExpression({ left, operatorToken, right }: ts.BinaryExpression): void {
    if (operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken) {
      if (!testsName(left)) whenFalse(left, "right of && skipped");
      expressionArm(right, "right of &&");
    } else if (operatorToken.kind === ts.SyntaxKind.BarBarToken) {
      if (!testsName(left)) whenTrue(left, "right of || skipped");
      expressionArm(right, "right of ||");
    }
  }

  function loop(condition: ts.Expression | undefined, body: ts.Statement): void {
    if (condition !== undefined && condition.kind !== ts.SyntaxKind.TrueKeyword) whenFalse(condition, "loop's end");
    statementArm(body, "loop's body");
  }

  function switchStatement(node: ts.SwitchStatement): void {
    const { clauses } = node.caseBlock;
    for (const clause of clauses) {
      const first = clause.statements[0];
      // Without statements, the next clause is meant as well.
      if (first !== undefined) insert(first.getStart(tree), `${branch(clause, "case")}; `, false);
    }
    if (clauses.some((clause) => ts.isDefaultClause(clause))) return;
    insert(node.caseBlock.end - 1, ` default: { ${branch(node, "no case")}; } `, true);
  }

  function visit(node: ts.Node, isInFunction: boolean): void {
    if (isInFunction) {
      if (ts.isIfStatement(node)) ifStatement(node);
      else if (ts.isConditionalExpression(node)) {
        expressionArm(node.whenTrue, "?");
        expressionArm(node.whenFalse, ":");
      } else if (ts.isBinaryExpression(node)) binaryExpression(node);
      else if (ts.isWhileStatement(node)) loop(node.expression, node.statement);
      else if (ts.isForStatement(node)) loop(node.condition, node.statement);
      else if (ts.isDoStatement(node)) {
        whenFalse(node.expression, "loop's end");
        whenTrue(node.expression, "loop again");
      } else if (ts.isSwitchStatement(node)) switchStatement(node);
    }
    ts.forEachChild(node, (child) => visit(child, isInFunction || ts.isFunctionLike(node)));
  }

  visit(tree, false);
  if (branches.length === 0) return { source, branches };
  return { source: DECLARATION + apply(source, insertions), branches };
}

/**
 * Whether the condition, or a part of it, is a name or its negation. It may be a test for null, which the compiler
 * must see as it is to know more of the name afterwards.
 */
function testsName(condition: ts.Expression): boolean {
  if (ts.isParenthesizedExpression(condition)) return testsName(condition.expression);
  if (ts.isPrefixUnaryExpression(condition)) return testsName(condition.operand);
  if (!ts.isBinaryExpression(condition)) return ts.isIdentifier(condition);
  const { left, operatorToken, right } = condition;
  const isLogical =
    operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken || operatorToken.kind === ts.SyntaxKind.BarBarToken;
  return isLogical && (testsName(left) || testsName(right));
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
