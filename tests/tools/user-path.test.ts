/** Names on a command line mean files where the person stands, however npm moved the process. */

import assert from "node:assert/strict";
import path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { userPath } from "../../tools/user-path.js";

describe("a name on the command line", () => {
  const environment = process.env;
  beforeEach(() => {
    process.env = { ...environment };
  });
  afterEach(() => {
    process.env = environment;
  });

  test("is resolved where the person called npm", () => {
    process.env["npm_lifecycle_event"] = "unikernel";
    process.env["INIT_CWD"] = "/somewhere/else";
    assert.equal(userPath("unikernel", "file"), "/somewhere/else/file");
    assert.equal(userPath("unikernel", "../file"), "/somewhere/file");
    assert.equal(userPath("unikernel", "/file"), "/file");
  });

  test("is resolved in the process's own folder when npm started something else, or nothing", () => {
    process.env["npm_lifecycle_event"] = "test";
    process.env["INIT_CWD"] = "/somewhere/else";
    assert.equal(userPath("unikernel", "file"), path.resolve("file"));
    delete process.env["npm_lifecycle_event"];
    assert.equal(userPath("unikernel", "file"), path.resolve("file"));
    delete process.env["INIT_CWD"];
    process.env["npm_lifecycle_event"] = "unikernel";
    assert.equal(userPath("unikernel", "file"), path.resolve("file"));
  });
});
