/** Documents lead where they say: every link, every heading that is linked to, every path that is named. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { suite, test } from "node:test";
import GithubSlugger from "github-slugger";
import { lexer, walkTokens, type Token } from "marked";
import { projectFolder } from "../../tools/build/project.js";

/** Nothing that people wrote for this project. */
const foldersOfOthers = ["node_modules", "build", ".git"];

interface Document {
  /** Relative to the project's folder. */
  readonly file: string;
  readonly links: readonly string[];
  /** What stands between backquotes within a line. */
  readonly codes: readonly string[];
  /** What GitHub calls the headings in an address. */
  readonly anchors: ReadonlySet<string>;
}

function documentFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return foldersOfOthers.includes(entry.name) ? [] : documentFiles(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

/** A heading as it reads. */
function plainText(token: Token): string {
  if ("tokens" in token) return token.tokens.map(plainText).join("");
  return "text" in token ? String(token.text) : "";
}

function readDocument(path: string): Document {
  const slugger = new GithubSlugger();
  const links: string[] = [];
  const codes: string[] = [];
  const anchors = new Set<string>();
  void walkTokens(lexer(readFileSync(path, "utf8")), (token) => {
    if (token.type === "link" || token.type === "image") links.push(String(token.href));
    else if (token.type === "codespan") codes.push(plainText(token));
    else if (token.type === "heading") anchors.add(slugger.slug(plainText(token)));
  });
  return { file: relative(projectFolder, path), links, codes, anchors };
}

const documents = documentFiles(projectFolder).map(readDocument);

/** What is wrong with a link; null when it leads somewhere, or out of the project. */
function problemOf({ file }: Document, link: string): string | null {
  if (/^[a-z]+:/.test(link)) return null;
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? file : join(dirname(file), path);
  if (!existsSync(join(projectFolder, target))) return `${link}: there is no ${target}`;
  if (anchor === undefined) return null;
  const found = documents.find((document) => document.file === target);
  return found?.anchors.has(anchor) === true ? null : `${link}: ${target} has no such heading`;
}

/** A path with a folder in it, of the source: what the build makes is there only afterwards. */
const PATH = /^(?!build\/)[\w.-]+\/(?:[\w.-]+\/?)*$/;

/** Whether a path is there, seen from the project's folder or from the document's. */
function exists({ file }: Document, path: string): boolean {
  return [projectFolder, join(projectFolder, dirname(file))].some((folder) => existsSync(join(folder, path)));
}

suite("documents", () => {
  for (const document of documents) {
    test(`${document.file}: its links lead to what is there`, () => {
      assert.deepEqual(
        document.links.map((link) => problemOf(document, link)).filter((problem) => problem !== null),
        [],
      );
    });

    test(`${document.file}: the paths that it names are there`, () => {
      const paths = document.codes.filter((code) => PATH.test(code));
      assert.deepEqual(
        paths.filter((path) => !exists(document, path)),
        [],
      );
    });
  }

  test("are all looked at", () => {
    const files = documents.map(({ file }) => file);
    for (const file of ["README.md", "kernel-shim/README.md"]) assert.ok(files.includes(file), file);
    assert.ok(documents.some(({ links }) => links.length > 0));
    assert.ok(documents.some(({ codes }) => codes.some((code) => PATH.test(code))));
  });

  test("a link to nothing is noticed", () => {
    const [document] = documents;
    assert.ok(document);
    const here = { ...document, file: "README.md" };
    assert.equal(problemOf(here, "tests/no-such-file.md"), "tests/no-such-file.md: there is no tests/no-such-file.md");
    assert.equal(problemOf(here, "LICENSE"), null);
    assert.equal(
      problemOf(here, "README.md#no-such-heading"),
      "README.md#no-such-heading: README.md has no such heading",
    );
    assert.ok(!exists(here, "tests/no-such-file.ts"));
  });
});
