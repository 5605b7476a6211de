import { expect, test } from "vitest";
import { createPositionTail } from "./position-tail.ts";

const never = new AbortController().signal;

test("one look serves all who wait; who waits for more waits on", async () => {
  let position = 0n;
  let looks = 0;
  const tail = createPositionTail(async () => {
    looks += 1;
    position += 1n;
    return position;
  }, 1);
  const waiting = [1n, 1n, 3n, 3n, 3n].map((each) => tail.waitFor(each, never));
  const reached = await Promise.all(waiting);
  expect(reached.every((each, index) => each >= (index < 2 ? 1n : 3n))).toBe(true);
  expect(looks).toBe(3);
});

test("this process's own progress wakes at once, and is not looked for", async () => {
  const unanswered = new Promise<bigint>(() => undefined);
  const tail = createPositionTail(() => unanswered, 1);
  const waiting = tail.waitFor(7n, never);
  tail.reached(6n);
  tail.reached(9n);
  expect(await waiting).toBe(9n);
  expect(await tail.waitFor(8n, never)).toBe(9n);
});

test("a failed look rejects those who wait, and not those who come later", async () => {
  const outages = [new Error("away")];
  const tail = createPositionTail(async () => {
    const outage = outages.pop();
    if (outage) throw outage;
    return 5n;
  }, 1);
  const waiting = [tail.waitFor(1n, never), tail.waitFor(2n, never)];
  for (const each of await Promise.allSettled(waiting)) expect(each.status).toBe("rejected");
  expect(await tail.waitFor(5n, never)).toBe(5n);
});

test("who gives up is told how far it got", async () => {
  let looks = 0;
  const tail = createPositionTail(async () => {
    looks += 1;
    return 2n;
  }, 1);
  const abort = new AbortController();
  const waiting = tail.waitFor(3n, abort.signal);
  await expect.poll(() => looks).toBeGreaterThan(2);
  abort.abort();
  expect(await waiting).toBe(2n);
  expect(await tail.waitFor(2n, never)).toBe(2n);
});
