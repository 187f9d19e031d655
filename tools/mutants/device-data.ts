/**
 * Which conditions of the stack depend on what a device says: the flow of data from the imports that read registers,
 * configuration space, device-shared memory, and the clock, which tells of a device that says nothing.
 *
 * Data flows through variables, parameters, results, and through what is chosen with it: a record at an index that the
 * device named. It flows through a field, or a variable outside of functions, once: what was read and put there is the
 * device's word, and what is computed from that later is the stack's own bookkeeping. A field that is set where a device
 * decides is its word, too: that is how the stack remembers that a device is broken. Everything is judged without regard
 * to order, so a name is the device's for all of its life.
 */

import ts from "typescript";
import { kernelFile } from "../build/project.js";
import { type ParsedSources, relativeName } from "../fuzz/coverage/stack-sources.js";

/** The imports whose results are a device's word: those with a width at the end of the name, and the clock. */
const READS = /\D(8|16|32|64)$|^now_ns$/;

/** Bits of what an expression depends on; above them one for each parameter of the function that it is in. */
const FRESH = 1;
const STORED = 2;
const DEVICE = FRESH | STORED;
const FIRST_PARAMETER = 2;

type Sources = number;
type Body = ts.FunctionLikeDeclaration;

export class DeviceData {
  private readonly checker: ts.TypeChecker;
  /** What variables of functions depend on. */
  private readonly variables = new Map<ts.Symbol, Sources>();
  /** What a parameter is given by any of its callers. */
  private readonly given = new Map<ts.Symbol, Sources>();
  private readonly results = new Map<Body, Sources>();
  /** Fields, and variables outside of functions, that hold a device's word. */
  private readonly stored = new Set<ts.Symbol>();
  private readonly functionsByName = new Map<string, Body[]>();
  private hasChanged = true;

  constructor({ checker, files }: ParsedSources) {
    this.checker = checker;
    for (const file of files) this.collect(file);
    while (this.hasChanged) {
      this.hasChanged = false;
      for (const file of files) this.visit(file);
    }
  }

  /** Whether a device has a say in which way a condition goes, or in when the loop ends whose condition it is. */
  decides(condition: ts.Expression): boolean {
    if (this.resolve(condition) !== 0) return true;
    const loop = loopOf(condition);
    return loop !== undefined && this.decidesIn(loop.statement);
  }

  /** Whether a device decides anything below a node. */
  private decidesIn(node: ts.Node): boolean {
    const asked = conditionOf(node);
    if (asked !== undefined && this.resolve(asked) !== 0) return true;
    return ts.forEachChild(node, (child) => this.decidesIn(child) || undefined) ?? false;
  }

  private collect(node: ts.Node): void {
    if (isBody(node)) {
      const name = node.name?.getText() ?? "";
      this.functionsByName.set(name, [...(this.functionsByName.get(name) ?? []), node]);
    }
    ts.forEachChild(node, (child) => this.collect(child));
  }

  /** Follows the data through every statement below a node. */
  private visit(node: ts.Node): void {
    if (ts.isVariableDeclaration(node) && node.initializer !== undefined) this.assign(node.name, node.initializer);
    else if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind)) this.assign(node.left, node.right);
    else if (ts.isReturnStatement(node) && node.expression !== undefined) this.returns(node, node.expression);
    else if (ts.isCallExpression(node)) this.passes(node);
    ts.forEachChild(node, (child) => this.visit(child));
  }

  private assign(target: ts.Node, value: ts.Expression): void {
    const symbol = this.symbolOf(ts.isPropertyAccessExpression(target) ? target.name : target);
    if (symbol === undefined) return;
    if (isInFunction(symbol)) this.add(this.variables, symbol, this.sourcesOf(value));
    else if (!this.stored.has(symbol) && (this.resolve(value) & FRESH || this.isConditional(target))) {
      this.stored.add(symbol);
      this.hasChanged = true;
    }
  }

  /** Whether a device decides if a statement is reached, as far as its own function says. */
  private isConditional(node: ts.Node): boolean {
    const { parent } = node;
    if (isBody(node) || ts.isSourceFile(node)) return false;
    const asked = conditionOf(parent);
    if (asked !== undefined && asked !== node && this.resolve(asked) !== 0) return true;
    return this.isConditional(parent);
  }

  private returns(node: ts.Node, value: ts.Expression): void {
    const body = ts.findAncestor(node, isBody);
    if (body !== undefined)
      this.add(this.results, body, this.sourcesOf(value) | (this.isConditional(node) ? STORED : 0));
  }

  private passes(call: ts.CallExpression): void {
    for (const { parameters } of this.calleesOf(call)) {
      call.arguments.forEach((argument, index) => {
        const parameter = parameters[index];
        const symbol = parameter && this.symbolOf(parameter.name);
        if (symbol !== undefined) this.add(this.given, symbol, this.resolve(argument));
      });
    }
  }

  private add<Key>(map: Map<Key, Sources>, key: Key, sources: Sources): void {
    const before = map.get(key) ?? 0;
    if ((before | sources) === before) return;
    map.set(key, before | sources);
    this.hasChanged = true;
  }

  /** What an expression depends on, whoever calls its function. */
  private resolve(expression: ts.Expression): Sources {
    const sources = this.sourcesOf(expression);
    let resolved = sources & DEVICE;
    ts.findAncestor(expression, isBody)?.parameters.forEach((parameter, index) => {
      const symbol = this.symbolOf(parameter.name);
      if (symbol !== undefined && sources & (1 << (index + FIRST_PARAMETER))) resolved |= this.given.get(symbol) ?? 0;
    });
    return resolved;
  }

  private sourcesOf(node: ts.Expression): Sources {
    if (ts.isIdentifier(node)) return this.sourcesOfName(node);
    if (ts.isCallExpression(node)) return this.sourcesOfCall(node);
    if (ts.isPropertyAccessExpression(node)) {
      return this.sourcesOf(node.expression) | this.sourcesOfProperty(this.symbolOf(node.name));
    }
    if (ts.isBinaryExpression(node)) {
      const right = this.sourcesOf(node.right);
      const isRightAlone = [ts.SyntaxKind.EqualsToken, ts.SyntaxKind.CommaToken].includes(node.operatorToken.kind);
      return isRightAlone ? right : this.sourcesOf(node.left) | right;
    }
    if (ts.isConditionalExpression(node)) return this.sourcesOf(node.whenTrue) | this.sourcesOf(node.whenFalse);
    if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) return this.sourcesOf(node.operand);
    if (
      ts.isParenthesizedExpression(node) ||
      ts.isTypeAssertionExpression(node) ||
      ts.isAsExpression(node) ||
      ts.isNonNullExpression(node)
    ) {
      return this.sourcesOf(node.expression);
    }
    return 0;
  }

  private sourcesOfName(name: ts.Identifier): Sources {
    const symbol = this.symbolOf(name);
    if (symbol === undefined) return 0;
    if (!isInFunction(symbol)) return this.stored.has(symbol) ? STORED : 0;
    const declaration = symbol.valueDeclaration;
    const own =
      declaration !== undefined && ts.isParameter(declaration)
        ? 1 << (declaration.parent.parameters.indexOf(declaration) + FIRST_PARAMETER)
        : 0;
    return own | (this.variables.get(symbol) ?? 0);
  }

  private sourcesOfProperty(symbol: ts.Symbol | undefined): Sources {
    if (symbol === undefined) return 0;
    const getter = symbol.declarations?.find(ts.isGetAccessor);
    if (getter !== undefined) return (this.results.get(getter) ?? 0) & DEVICE;
    return this.stored.has(symbol) ? STORED : 0;
  }

  private sourcesOfCall(call: ts.CallExpression): Sources {
    const { expression } = call;
    const object = ts.isPropertyAccessExpression(expression) ? this.sourcesOf(expression.expression) : 0;
    const callees = this.calleesOf(call);
    if (callees.length === 0) {
      const name = ts.isPropertyAccessExpression(expression) ? expression.name : expression;
      const declaration = this.symbolOf(name)?.valueDeclaration;
      const isImport = declaration !== undefined && relativeName(declaration.getSourceFile().fileName) === kernelFile;
      if (isImport) return READS.test(name.getText()) ? FRESH : 0;
      // The compiler's own functions: conversions, loads, the smaller of two.
      return call.arguments.reduce((sources, argument) => sources | this.sourcesOf(argument), object);
    }
    return callees.reduce((sources, callee) => {
      const result = this.results.get(callee) ?? 0;
      return call.arguments.reduce(
        (sum, argument, index) => (result & (1 << (index + FIRST_PARAMETER)) ? sum | this.sourcesOf(argument) : sum),
        sources | (result & DEVICE),
      );
    }, object);
  }

  /** The functions of the stack that a call may be of: all of that name where there is none, or none with a body. */
  private calleesOf({ expression }: ts.CallExpression): readonly Body[] {
    const name = ts.isPropertyAccessExpression(expression) ? expression.name : expression;
    const symbol = this.symbolOf(name);
    const bodies = symbol?.declarations?.filter(isBody) ?? [];
    if (bodies.length > 0 || (symbol !== undefined && !symbol.declarations?.some(ts.isMethodDeclaration)))
      return bodies;
    return this.functionsByName.get(name.getText()) ?? [];
  }

  private symbolOf(name: ts.Node): ts.Symbol | undefined {
    const symbol = this.checker.getSymbolAtLocation(name);
    return symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }
}

/** What decides which part of a statement or an expression comes next; a loop's is in `loopOf`. */
function conditionOf(node: ts.Node): ts.Expression | undefined {
  if (ts.isIfStatement(node)) return node.expression;
  return ts.isConditionalExpression(node) ? node.condition : undefined;
}

/** The loop whose condition, or part of its condition, an expression is. */
function loopOf(node: ts.Node): ts.IterationStatement | undefined {
  const { parent } = node;
  if (ts.isForStatement(parent)) return parent.condition === node ? parent : undefined;
  if (ts.isWhileStatement(parent) || ts.isDoStatement(parent)) return parent.expression === node ? parent : undefined;
  const isPart = ts.isBinaryExpression(parent) || ts.isParenthesizedExpression(parent);
  return isPart ? loopOf(parent) : undefined;
}

function isBody(node: ts.Node): node is Body {
  return ts.isFunctionLike(node) && "body" in node && node.body !== undefined;
}

function isInFunction({ valueDeclaration }: ts.Symbol): boolean {
  return (
    valueDeclaration !== undefined &&
    (ts.isVariableDeclaration(valueDeclaration) || ts.isParameter(valueDeclaration)) &&
    ts.findAncestor(valueDeclaration, isBody) !== undefined
  );
}

function isAssignment(kind: ts.SyntaxKind): boolean {
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}
