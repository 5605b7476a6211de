import { expect, test } from "vitest";
import { type CommandQueue, createCommandQueue } from "./command-queue.ts";

const size = { eventsMax: 10, bytesMax: 1_000, eventsPerCallerMax: 3 };

/** A queue of names, an event of each having one byte unless its name ends in its size. */
function createQueue(): CommandQueue<string> {
  return createCommandQueue(size, (name) => Number(/:(\d+)$/.exec(name)?.[1] ?? 1));
}

function names(caller: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${caller}${index + 1}`);
}

test("a caller alone has whole groups, in the order in which he sent", () => {
  const queue = createQueue();
  queue.push("a", names("a", 12), 0);
  expect(queue.takeGroup(0)).toEqual(names("a", 12).slice(0, 10));
  expect(queue.length).toBe(2);
  expect(queue.takeGroup(0)).toEqual(["a11", "a12"]);
  expect([queue.length, queue.takeGroup(0)]).toEqual([0, []]);
});

test("while there are others, everybody has a share of the group", () => {
  const queue = createQueue();
  queue.push("flood", names("f", 100), 0);
  queue.push("b", ["b1"], 1);
  queue.push("c", ["c1", "c2"], 1);
  expect(queue.takeGroup(2)).toEqual(["f1", "f2", "f3", "b1", "c1", "c2"]);
  expect(queue.takeGroup(3)).toEqual(["f4", "f5", "f6"]);
});

test("who was there a moment ago still counts as another, and after a second no more", () => {
  const queue = createQueue();
  queue.push("b", ["b1"], 0);
  queue.takeGroup(0);
  queue.push("flood", names("f", 100), 1);
  expect(queue.takeGroup(999).length).toBe(3);
  expect(queue.takeGroup(1_001).length).toBe(10);
});

test("who sent everything long ago is another one as long as something of it waits", () => {
  const queue = createQueue();
  queue.push("flood", names("f", 100), 0);
  queue.push("b", ["b1"], 10_000);
  expect(queue.takeGroup(10_000)).toEqual(["f1", "f2", "f3", "b1"]);
  expect(queue.takeGroup(10_999).length).toBe(3);
  expect(queue.takeGroup(11_000).length).toBe(10);
});

test("who had his share comes behind those who wait for theirs", () => {
  const queue = createQueue();
  for (const caller of ["a", "b", "c", "d", "e"]) queue.push(caller, names(caller, 4), 0);
  const groups = [1, 2, 3].map(() => queue.takeGroup(0).join(" "));
  expect(groups).toEqual(["a1 a2 a3 b1 b2 b3 c1 c2 c3 d1", "e1 e2 e3 a4 b4 c4 d2 d3 d4", "e4"]);
});

test("a group holds so many bytes, and one event in any case", () => {
  const queue = createQueue();
  queue.push("a", ["a1:700", "a2:301", "a3:5000", "a4"], 0);
  queue.push("b", ["b1"], 0);
  const groups = [1, 2, 3, 4].map(() => queue.takeGroup(0).join(" "));
  expect(groups).toEqual(["a1:700", "b1 a2:301", "a3:5000", "a4"]);
});

test("the service's own commands are no other caller", () => {
  const queue = createQueue();
  queue.push("", names("sweep", 5), 0);
  queue.push("a", names("a", 4), 0);
  expect(queue.takeGroup(0).length).toBe(9);
});

test("all that wait are taken at once when nothing can be done for them", () => {
  const queue = createQueue();
  queue.push("a", names("a", 12), 0);
  queue.push("b", ["b1"], 0);
  expect(queue.takeAll().length).toBe(13);
  expect([queue.length, queue.takeGroup(0)]).toEqual([0, []]);
});
