/** Works off jobs, several at a time. */

/**
 * Runs all jobs, beginning with the first that may start whenever fewer than `limit` run. Rejects when one rejects;
 * those that run meanwhile go on.
 *
 * @param mayStart is asked again whenever a job has ended; it says yes to some job when none runs
 */
export async function runPool<Job>(
  jobs: readonly Job[],
  limit: number,
  mayStart: (job: Job) => boolean,
  run: (job: Job) => Promise<void>,
): Promise<void> {
  const waiting = [...jobs];
  const running = new Set<Promise<void>>();
  for (;;) {
    while (running.size < limit) {
      const next = waiting.findIndex(mayStart);
      if (next < 0) break;
      for (const job of waiting.splice(next, 1)) {
        const work: Promise<void> = run(job).finally(() => running.delete(work));
        running.add(work);
      }
    }
    if (running.size === 0) return;
    await Promise.race(running);
  }
}
