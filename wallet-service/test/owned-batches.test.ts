import { createContextValues } from "@connectrpc/connect";
import { type Caller, callerKey } from "@pelikuni/runtime/access/caller";
import { createLogger } from "@pelikuni/runtime/logger";
import { v7 } from "uuid";
import { expect, test } from "vitest";
import { createWallet, startServiceBed } from "./test-service.ts";

const alice: Caller = {
  issuer: "https://id.example",
  subject: "alice",
  client: "app",
  scopes: new Set<string>(),
  isUser: true,
};

test("a user's batch moves her own money alone; what is refused of it is logged once", async () => {
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line) };
  const logger = createLogger("test", { level: "warn", format: "json" }, sink);
  await using bed = await startServiceBed({}, undefined, Date.now, { logger });
  const hers = await createWallet(bed.inProcess, "alice", "10");
  const his = await createWallet(bed.inProcess, "bob", "10");
  const missing = v7();
  const transfers = [
    { fromWalletId: his, toWalletId: hers, amount: "1" },
    { fromWalletId: hers, toWalletId: his, amount: "2" },
    { fromWalletId: missing, toWalletId: hers, amount: "3" },
    { fromWalletId: hers.toUpperCase(), toWalletId: his, amount: "4" },
  ];
  const contextValues = createContextValues().set(callerKey, alice);
  const { results } = await bed.inProcess.batchTransfer({ transfers }, { contextValues });
  expect(results.map(({ result }) => result.case)).toEqual([
    "error",
    "transfer",
    "error",
    "transfer",
  ]);
  const [foreign, , absent] = results.map(({ result }) => result.value);
  expect(foreign).toMatchObject({ message: "Wallet not found" });
  expect(absent).toMatchObject({ message: "Wallet not found" });
  const balanceOf = async (walletId: string): Promise<string | undefined> =>
    (await bed.inProcess.getWallet({ walletId })).wallet?.balance;
  expect([await balanceOf(hers), await balanceOf(his)]).toEqual(["4.0000", "16.0000"]);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    {
      rpc: "pelikuni.wallet.v1.WalletService/BatchTransfer",
      subject: "alice",
      refused: 2,
      wallets: [his, missing],
    },
  ]);
});
