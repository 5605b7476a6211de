import { mkdtemp } from "node:fs/promises";
import path from "node:path";
import { inject } from "vitest";

/**
 * Makes a directory of one test's own, inside the one of this test run: should the run be killed,
 * then it goes, and with it a Postgres or an `npm start` that was started on it.
 */
export function createTestDirectory(): Promise<string> {
  return mkdtemp(path.join(inject("runDirectory"), "test-"));
}
