import { expect, test } from "vitest";
import { createReceptions } from "./receptions.ts";

function begin(most: number) {
  const receptions = createReceptions();
  const taken: string[] = [];
  return {
    taken,
    call: (caller: string, name: string) => receptions.begin(caller, () => taken.push(name), most),
  };
}

test("of one caller so many are taken at once, the others in their order as these end", () => {
  const { taken, call } = begin(2);
  const [endFirst] = ["first", "second", "third", "fourth"].map((name) => call("a", name));
  expect(taken).toEqual(["first", "second"]);
  endFirst?.();
  endFirst?.();
  expect(taken).toEqual(["first", "second", "third"]);
});

test("one caller's do not keep another's waiting", () => {
  const { taken, call } = begin(1);
  for (const name of ["first", "second"]) call("a", name);
  call("b", "other");
  expect(taken).toEqual(["first", "other"]);
});

test("one that is over while it waits is never taken, and frees nothing", () => {
  const { taken, call } = begin(1);
  const endFirst = call("a", "first");
  const endSecond = call("a", "second");
  call("a", "third");
  endSecond();
  expect(taken).toEqual(["first"]);
  endFirst();
  expect(taken).toEqual(["first", "third"]);
});
