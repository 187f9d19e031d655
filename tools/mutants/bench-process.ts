/** A process that runs tests on mutants, seen from the command: started when needed, ended when it hangs. */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { projectFolder } from "../build/project.js";
import { onSignal } from "../command/cleanup.js";
import { CommandError } from "../command/command-error.js";
import type { KnownTest, Order, Report } from "./bench.js";

const script = fileURLToPath(new URL("bench.ts", import.meta.url));
const START_MILLISECONDS = 120_000;

export class BenchProcess {
  private child: ChildProcess | null = null;
  private forget: () => void = () => undefined;

  /**
   * @param folder with the modules that know all mutants
   * @param files whose tests it runs
   */
  constructor(
    private readonly folder: string,
    private readonly files: readonly string[],
  ) {}

  /** The tests that it runs. Throws `CommandError` when their files cannot be imported. */
  async start(): Promise<readonly KnownTest[]> {
    this.end();
    const child = fork(script, [this.folder, ...this.files], {
      cwd: projectFolder,
      execArgv: ["--import", "tsx"],
      // What a test of a mutant prints is of no interest.
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.child = child;
    this.forget = onSignal(() => child.kill("SIGKILL"));
    const tests = await answerOf<KnownTest[]>(child, START_MILLISECONDS);
    if (tests === null) throw new CommandError("the tests cannot be imported; npm test says why");
    return tests;
  }

  /** Runs one test; null when the process ended or hung, and had to be started anew. */
  async run(order: Order): Promise<Report | null> {
    if (this.child === null) await this.start();
    const { child } = this;
    if (child === null) return null;
    child.send(order);
    const report = await answerOf<Report>(child, order.millisecondsMax);
    if (report === null) this.end();
    return report;
  }

  /** Ends the process; it is started again when it is needed. */
  end(): void {
    this.child?.kill("SIGKILL");
    this.child = null;
    this.forget();
  }
}

/** The next message; null when none comes in time. */
function answerOf<Message>(child: ChildProcess, milliseconds: number): Promise<Message | null> {
  return new Promise((resolve) => {
    const settle = (message: Message | null): void => {
      clearTimeout(timer);
      child.off("message", settle);
      child.off("exit", onEnd);
      child.off("error", onEnd);
      resolve(message);
    };
    const onEnd = (): void => settle(null);
    const timer = setTimeout(onEnd, milliseconds);
    child.on("message", settle);
    child.on("exit", onEnd);
    child.on("error", onEnd);
  });
}
