import { createBatchReader } from "@pelikuni/runtime/batch-reader";
import { expect, test } from "vitest";
import { createWalletOwnership } from "./wallet-ownership.ts";

const wallets = new Map([
  ["alices-wallet", { userId: "alice" }],
  ["bobs-wallet", { userId: "bob" }],
]);
const holds = new Map([
  ["alices-hold", { walletId: "alices-wallet" }],
  ["bobs-hold", { walletId: "bobs-wallet" }],
]);

test("a user owns his wallets and the holds on them, and nothing else", async () => {
  const { ownership } = observedOwnership();
  for (const kind of ["wallet", "hold"] as const) {
    expect(await ownership.isOwner(kind, `alices-${kind}`, "alice")).toBe(true);
    expect(await ownership.isOwner(kind, `bobs-${kind}`, "alice")).toBe(false);
    expect(await ownership.isOwner(kind, `nobodys-${kind}`, "alice")).toBe(false);
  }
});

test("somebody else's is found out by the same reads as what does not exist, every time", async () => {
  const { ownership, reads } = observedOwnership();
  for (const kind of ["wallet", "hold"] as const) {
    await ownership.isOwner(kind, `bobs-${kind}`, "bob");
    const missing = await readsOf(kind, "nobodys");
    expect(missing).not.toEqual([]);
    expect(await readsOf(kind, "bobs")).toEqual(missing);
    expect(await readsOf(kind, "bobs")).toEqual(missing);
  }

  async function readsOf(kind: "wallet" | "hold", whose: string): Promise<string[]> {
    reads.length = 0;
    await ownership.isOwner(kind, `${whose}-${kind}`, "alice");
    return [...reads];
  }
});

test("an owner is read once", async () => {
  const { ownership, reads } = observedOwnership();
  await ownership.isOwner("wallet", "alices-wallet", "alice");
  await ownership.isOwner("wallet", "alices-wallet", "alice");
  expect(reads).toEqual(["wallet"]);
});

/** Ownership over these rows, and what was read for it. */
function observedOwnership(): {
  readonly ownership: ReturnType<typeof createWalletOwnership>;
  readonly reads: string[];
} {
  const reads: string[] = [];
  const readerOf = <Row>(kind: string, rows: ReadonlyMap<string, Row>) =>
    createBatchReader<Row>(async (ids) => {
      reads.push(...ids.map(() => kind));
      return new Map([...rows].filter(([id]) => ids.includes(id)));
    });
  const ownership = createWalletOwnership({
    wallets: readerOf("wallet", wallets),
    holds: readerOf("hold", holds),
  });
  return { ownership, reads };
}
