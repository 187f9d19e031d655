/** Keeps what v86 says on the console from being printed. */

import { mock } from "node:test";

export function quietly(action: () => void): void {
  const said = mock.method(console, "log", () => undefined);
  try {
    action();
  } finally {
    said.mock.restore();
  }
}
