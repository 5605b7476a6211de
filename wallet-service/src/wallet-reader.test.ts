import { expect, test } from "vitest";
import type { RecordedWallet } from "./wallet-events.ts";
import { createWalletReader } from "./wallet-reader.ts";

/** A database whose answers the test lets go one by one. */
function slowDatabase(): {
  selects: string[][];
  find: (ids: string[]) => Promise<ReadonlyMap<string, RecordedWallet>>;
  answerAll: (error?: Error) => void;
} {
  const selects: string[][] = [];
  const open: ((error?: Error) => void)[] = [];
  return {
    selects,
    find(ids) {
      selects.push(ids);
      return new Promise((resolve, reject) => {
        open.push((error) => (error ? reject(error) : resolve(new Map())));
      });
    },
    answerAll(error) {
      for (const answer of open.splice(0)) answer(error);
    },
  };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

test("reads of one moment share a SELECT, and each wallet is asked for once", async () => {
  const database = slowDatabase();
  const reader = createWalletReader(database.find);
  const reads = Promise.all([reader.read("a"), reader.read("b"), reader.read("a")]);
  await turns();
  expect(database.selects).toEqual([["a", "b"]]);
  database.answerAll();
  expect(await reads).toEqual([undefined, undefined, undefined]);
});

test("a read never joins a SELECT that was sent already: it might be too old", async () => {
  const database = slowDatabase();
  const reader = createWalletReader(database.find);
  const first = reader.read("a");
  await turns();
  const second = reader.read("a");
  await turns();
  expect(database.selects).toEqual([["a"], ["a"]]);
  database.answerAll();
  await Promise.all([first, second]);
});

test("while four SELECTs are under way, later reads gather for one", async () => {
  const database = slowDatabase();
  const reader = createWalletReader(database.find);
  const reads: Promise<unknown>[] = [];
  for (const id of ["a", "b", "c", "d", "e", "f"]) {
    reads.push(reader.read(id));
    await turns();
  }
  expect(database.selects).toEqual([["a"], ["b"], ["c"], ["d"]]);
  database.answerAll();
  await turns();
  expect(database.selects.slice(4)).toEqual([["e", "f"]]);
  database.answerAll();
  await Promise.all(reads);
});

test("a failed SELECT fails those who waited for it, and the next one works", async () => {
  const database = slowDatabase();
  const reader = createWalletReader(database.find);
  const failed = expect(reader.read("a")).rejects.toThrow("gone");
  await turns();
  database.answerAll(new Error("gone"));
  await failed;
  const next = reader.read("a");
  await turns();
  database.answerAll();
  expect(await next).toBeUndefined();
});
