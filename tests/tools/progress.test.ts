/** What commands say while they work: on a terminal in one line, elsewhere by a line now and then. */

import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { describe, test } from "node:test";
import { describeProgress, duration } from "../../tools/command/progress-text.js";
import { beginStep, type StepOptions, type Surroundings } from "../../tools/command/progress.js";

const MEBIBYTE = 1024 * 1024;

/** A stream that keeps what is written, and a clock that is set by hand. */
class Pretended implements Surroundings {
  text = "";
  milliseconds = 0;
  readonly stream: NodeJS.WriteStream;
  readonly now = (): number => this.milliseconds;

  constructor(isTerminal: boolean) {
    const stream = new Writable({
      write: (chunk: Buffer, _, done) => {
        this.text += chunk.toString("utf8");
        done();
      },
    });
    this.stream = Object.assign(stream, { isTTY: isTerminal, columns: 80 }) as unknown as NodeJS.WriteStream;
  }

  get lines(): string[] {
    return this.text.split("\n").filter((line) => line !== "");
  }
}

describe("a line of progress", () => {
  test("has share, amount, rate and the time that remains", () => {
    const work = { what: "Disk 00:05.0: read", total: 400 * MEBIBYTE, unit: "bytes" };
    assert.equal(
      describeProgress(work, { done: 100 * MEBIBYTE, seconds: 5, note: "" }),
      "Disk 00:05.0: read: 25 %, 100 of 400 MiB, 20 MiB/s, 15 s left",
    );
    assert.equal(
      describeProgress({ what: "Data path", total: 80, unit: "points" }, { done: 20, seconds: 10, note: "slow" }),
      "Data path: 25 %, 20 of 80 points, 2.0/s, 30 s left, slow",
    );
  });

  test("of unknown work has the time that it took", () => {
    assert.equal(
      describeProgress({ what: "Checking" }, { done: 0, seconds: 75, note: "lint, types" }),
      "Checking: 1 min 15 s, lint, types",
    );
  });

  test("has no wrong numbers where there is little or nothing to count", () => {
    const work = { what: "Disk", total: 512, unit: "bytes" };
    assert.equal(describeProgress(work, { done: 0, seconds: 0, note: "" }), "Disk: 0 %, 0 of 0.5 KiB");
    assert.equal(describeProgress(work, { done: 512, seconds: 0.1, note: "" }), "Disk: 100 %, 0.5 of 0.5 KiB");
    for (const total of [0, 1, 512]) {
      for (const seconds of [0, 1, 10]) {
        const line = describeProgress({ what: "Disk", total, unit: "files" }, { done: 0, seconds, note: "" });
        assert.doesNotMatch(line, /NaN|Infinity|-\d/, line);
      }
    }
  });

  test("fits the terminal's width, whatever that is, and cuts no number", () => {
    const work = { what: "Disk 00:05.0: read", total: 123_456 * MEBIBYTE, unit: "bytes" };
    const situation = { done: 23_456 * MEBIBYTE, seconds: 100, note: "and a remark that is rather long" };
    const parts = ["18 %", "23,456 of 123,456 MiB", "235 MiB/s", "7 min 7 s left", situation.note];
    for (let columns = 20; columns < 160; columns++) {
      const line = describeProgress(work, situation, columns);
      assert.ok(line.length < columns, line);
      if (line.endsWith("…")) continue;
      const facts = line.replace(/^.*[█░] /, "").split(", ");
      assert.deepEqual(facts, parts.slice(0, facts.length));
    }
  });

  test("says times as people do", () => {
    assert.deepEqual([0.2, 59, 60, 3599, 3600, 5430].map(duration), [
      ...["1 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "1 h 30 min"],
    ]);
  });
});

describe("a step that is no terminal's", () => {
  const step = (options: StepOptions, pretended: Pretended) => beginStep(options, pretended);

  test("is silent if it is over soon", () => {
    const pretended = new Pretended(false);
    const quick = step({ what: "Work", total: 10, unit: "parts" }, pretended);
    for (let part = 0; part < 10; part++) {
      pretended.milliseconds += 150;
      quick.advance();
    }
    quick.end();
    assert.equal(pretended.text, "");
  });

  test("has a line after two seconds and every ten from then on, without a bar", () => {
    const pretended = new Pretended(false);
    const slow = step({ what: "Work", total: 60, unit: "parts" }, pretended);
    for (let second = 1; second <= 30; second++) {
      pretended.milliseconds = 1000 * second;
      slow.advance();
    }
    slow.end();
    assert.deepEqual(pretended.lines, [
      "Work: 3 %, 2 of 60 parts, 1.0/s, 58 s left",
      "Work: 20 %, 12 of 60 parts, 1.0/s, 48 s left",
      "Work: 36 %, 22 of 60 parts, 1.0/s, 38 s left",
    ]);
  });

  test("that is known to be long says so at once, and what it begins", () => {
    const pretended = new Pretended(false);
    const long = step({ what: "Work", isLong: true }, pretended);
    long.begin("first part");
    long.begin("second part");
    long.end();
    assert.deepEqual(pretended.lines, ["Work …", "Work: first part", "Work: second part"]);
  });
});

test("on a terminal there is one line, which is gone in the end", () => {
  const pretended = new Pretended(true);
  const step = beginStep({ what: "Work", total: 4, unit: "parts" }, pretended);
  step.begin("part");
  step.aside(() => pretended.stream.write("a line\n"));
  step.end();
  step.end();
  assert.match(pretended.text, /Work [█░]+ 0 %, 0 of 4 parts, part/);
  assert.equal(pretended.lines.length, 2, "there is no line but the other one");
});
