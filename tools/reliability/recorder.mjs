/**
 * In place of `node:test`: remembers which tests a file has, and runs none. Plain JavaScript, because it stands in for a
 * module of Node's.
 */

/** Suites around the one that is being described. */
const path = [];
/** All tests so far, each with the suites that it is in, what runs it, and whether it is to be left out. */
export const tests = [];

function lastFunction(parameters) {
  return parameters.findLast((parameter) => typeof parameter === "function");
}

export function describe(name, ...parameters) {
  path.push(name);
  const result = lastFunction(parameters)?.();
  path.pop();
  // What an asynchronous suite has would be remembered too late, or in the wrong suite.
  if (result instanceof Promise) throw new Error(`the suite "${name}" is asynchronous`);
}

export function test(name, ...parameters) {
  const run = lastFunction(parameters);
  const options = parameters.find((parameter) => typeof parameter === "object");
  if (run !== undefined) tests.push({ path: [...path], name, run, isSkipped: Boolean(options?.skip) });
}

function nothing() {}

for (const register of [describe, test]) {
  for (const variant of ["only", "skip", "todo"]) register[variant] = register;
}

export { test as default, test as it, describe as suite };
export { nothing as after, nothing as afterEach, nothing as before, nothing as beforeEach };
export const mock = {};
