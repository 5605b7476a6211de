import { expect, test } from "vitest";
import { type Command, fund, transfer } from "./decide/command.ts";
import { parseAmount, zero } from "./money.ts";
import { requestKey } from "./request-key.ts";

const alice = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";
const bob = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a2";

function of(command: Command, requestId = "key", principal = ""): { key: string; print: string } {
  const { key, fingerprint } = requestKey(principal, requestId, command);
  return { key, print: Buffer.from(fingerprint).toString("hex") };
}

function amount(text: string): NonNullable<ReturnType<typeof parseAmount>> {
  return parseAmount(text) ?? zero;
}

test("the same input has the same fingerprint, however the amount is written", () => {
  const first = of(transfer(alice, bob, amount("1.5")));
  expect(of(transfer(alice, bob, amount("1.5000")))).toEqual(first);
});

test("expected_version and request_id are no part of the input", () => {
  const first = of(transfer(alice, bob, amount("1")));
  expect(of(transfer(alice, bob, amount("1"), 7n)).print).toBe(first.print);
  expect(of(transfer(alice, bob, amount("1")), "other").print).toBe(first.print);
});

test("other input has another fingerprint", () => {
  const create = (userId: string, currency: string): Command => {
    return { kind: "createWallet", walletId: alice, userId, currency };
  };
  const prints = [
    transfer(alice, bob, amount("1")),
    transfer(bob, alice, amount("1")),
    transfer(alice, bob, amount("2")),
    fund(alice, amount("1")),
    fund(bob, amount("1")),
    create("alice", "USD"),
    create("bob", "USD"),
    create("alice", "EUR"),
  ].map((command) => of(command).print);
  expect(new Set(prints).size).toBe(prints.length);
});

test("the id of a wallet to create is no part of the input: every try brings a new one", () => {
  const create = (walletId: string): Command => {
    return { kind: "createWallet", walletId, userId: "alice", currency: "USD" };
  };
  expect(of(create(alice))).toEqual(of(create(bob)));
});

test("a key depends on caller and request_id, and on where one ends and the other begins", () => {
  const command = fund(alice, amount("1"));
  const keys = [
    of(command, "b", "a"),
    of(command, "b", "c"),
    of(command, "a", "b"),
    of(command, "", "ab"),
    of(command, "ab", ""),
    of(command, "c", "a"),
  ].map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});
