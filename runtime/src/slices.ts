import { setImmediate as nextTurn } from "node:timers/promises";

/** How many items are worked on before other calls have their turn: some tenths of a millisecond. */
export const sliceLength = 50;

/** The slices of a list; between two of them other calls go on. */
export async function* slicesOf<Item>(items: readonly Item[]): AsyncGenerator<readonly Item[]> {
  for (let start = 0; start < items.length; start += sliceLength) {
    if (start > 0) await nextTurn();
    yield items.slice(start, start + sliceLength);
  }
}

/** Maps a list that may be long without keeping other calls waiting. */
export async function mapInSlices<Item, Result>(
  items: readonly Item[],
  map: (item: Item, index: number) => Result,
): Promise<Result[]> {
  const results: Result[] = [];
  for await (const slice of slicesOf(items)) {
    for (const item of slice) results.push(map(item, results.length));
  }
  return results;
}
