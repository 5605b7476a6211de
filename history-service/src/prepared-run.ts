import { type ArrivedEvent, findRun } from "./arrived-events.ts";
import { type EncodedBatch, encodeBatch } from "./event-store.ts";

const runLengthMax = 1_000;

/** Events that come next, as the database takes them. */
export interface PreparedRun {
  /** Of consecutive positions. */
  readonly events: readonly ArrivedEvent[];
  readonly batch: EncodedBatch;
}

/** Finds and encodes what comes next behind a position. */
export function prepare(behind: bigint, arrived: readonly ArrivedEvent[]): PreparedRun {
  const { events, known } = findRun(behind, arrived, runLengthMax);
  const placed = events.map(({ event }) => event);
  return { events, batch: encodeBatch(placed, known) };
}
