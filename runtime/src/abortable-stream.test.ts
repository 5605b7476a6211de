import { expect, test } from "vitest";
import { untilAborted } from "./abortable-stream.ts";

interface Reading {
  readonly iterator: AsyncIterator<number>;
  readonly controller: AbortController;
  /** What has happened to the source and its reader's stream. */
  readonly ended: string[];
}

function read(): Reading {
  const controller = new AbortController();
  const ended: string[] = [];
  async function* numbers(): AsyncGenerator<number> {
    try {
      for (let number = 1; number <= 2; number += 1) yield number;
    } finally {
      ended.push("source");
    }
  }
  // What a call does at its end: its signal is aborted then.
  const onEnd = (): void => {
    ended.push("stream");
    controller.abort(new Error("The call is over."));
  };
  const messages = untilAborted(numbers(), controller.signal, onEnd, (fault) => {
    return fault instanceof Error ? fault : new Error(String(fault));
  });
  return { iterator: messages[Symbol.asyncIterator](), controller, ended };
}

test("a source is ended by the signal though its reader never asks again", async () => {
  const { iterator, controller, ended } = read();
  expect(await iterator.next()).toEqual({ done: false, value: 1 });
  controller.abort(new Error("The client has left."));
  await expect.poll(() => ended).toEqual(["stream", "source"]);
});

test("a reader that asks after the signal is told its reason once, then the end", async () => {
  const { iterator, controller } = read();
  await iterator.next();
  controller.abort(new Error("The client has left."));
  await expect(iterator.next()).rejects.toThrow("The client has left.");
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});

test("a source that has ended by itself ends its stream once, without an error", async () => {
  const { iterator, ended } = read();
  for (const done of [false, false, true, true]) {
    expect(await iterator.next()).toMatchObject({ done });
  }
  await iterator.return?.();
  expect(ended).toEqual(["source", "stream"]);
});

test("a reader that stops reading ends the source", async () => {
  const { iterator, ended } = read();
  await iterator.next();
  await iterator.return?.();
  await expect.poll(() => ended).toEqual(["stream", "source"]);
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});
