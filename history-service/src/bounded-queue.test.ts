import { expect, test } from "vitest";
import { createBoundedQueue } from "./bounded-queue.ts";

/** Lets everything go on that need not wait. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

test("what is put in comes out in order, in parts of the size asked for", async () => {
  const queue = createBoundedQueue<number>(10);
  for (const item of [1, 2, 3]) await queue.put(item);
  expect(await queue.take(2)).toEqual([1, 2]);
  expect(await queue.take(2)).toEqual([3]);
});

test("a writer waits while the queue is full, and goes on once there is room", async () => {
  const queue = createBoundedQueue<number>(2);
  await queue.put(1);
  let written = 1;
  const writing = (async () => {
    for (const item of [2, 3]) {
      await queue.put(item);
      written = item;
    }
  })();
  await settle();
  expect(written).toBe(1);
  expect(await queue.take(1)).toEqual([1]);
  await settle();
  expect(written).toBe(2);
  expect(await queue.take(2)).toEqual([2, 3]);
  await writing;
  expect(written).toBe(3);
});

test("a reader waits for the first item", async () => {
  const queue = createBoundedQueue<number>(2);
  const taking = queue.take(5);
  await queue.put(1);
  expect(await taking).toEqual([1]);
});

test("closing wakes both: the writer need not wait, the reader gets what is left, then nothing", async () => {
  const queue = createBoundedQueue<number>(1);
  const writing = queue.put(1);
  queue.close();
  await writing;
  expect(await queue.take(5)).toEqual([1]);
  expect(await queue.take(5)).toEqual([]);
});
