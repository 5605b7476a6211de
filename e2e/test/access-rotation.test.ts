import { setTimeout as pause } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorReason } from "@pelikuni/runtime/rpc-errors";
import { expect, inject, test } from "vitest";
import { z } from "zod";
import { type AccessBed, alice, allScopes, startAccessBed } from "../src/access-bed.ts";
import { type Ask, runCredentialLoad } from "../src/credential-load.ts";
import { forgeTokens } from "../src/forged-tokens.ts";

declare module "vitest" {
  // Vitest's own interface, extended by what vitest.config.ts provides.
  interface ProvidedContext {
    /** How long the provider is away, in milliseconds: longer in `npm run soak`. */
    providerAbsenceMs: number;
  }
}

const problemSchema = z.object({ reason: z.string() });
const callers = { valid: 8, invalid: 2 };
const refreshSeconds = 1;
const stepMs = 1_000;
const forgetMs = 30_000;
const slowestAllowedMs = 5_000;

test("keys change and the provider goes away: valid calls go on, invalid ones never pass", async () => {
  await using bed = await startAccessBed({ keys_refresh_seconds: refreshSeconds });
  const fetchToken = () => bed.machines.machineToken("operator", { scopes: allScopes });
  const forge = async (token: string) => await forgeTokens(bed.machines, token);
  const asks = await prepareAsks(bed);
  const first = await fetchToken();
  let valid: readonly string[] = [first];
  let invalid = await forge(first);
  const over = new AbortController();
  const load = runCredentialLoad(
    { asks, callers, valid: () => valid, invalid: () => invalid },
    over.signal,
  );

  async function disturb(): Promise<void> {
    await pause(stepMs);
    await bed.machines.rotateKeys("kept");
    const second = await fetchToken();
    valid = [first, second];
    await pause(stepMs);
    invalid = await forge(second);
    const unseen = await fetchToken();
    await bed.machines.stop();
    // Its key is known, the token itself is not.
    valid = [first, second, unseen];
    await pause(inject("providerAbsenceMs"));
    await bed.machines.start();
    valid = [];
    await bed.machines.rotateKeys("removed");
    const third = await fetchToken();
    valid = [third];
    for (const ask of Object.values(asks)) {
      await expect.poll(() => ask(second), { timeout: forgetMs }).toBe("UNAUTHENTICATED");
    }
    invalid = new Map([...(await forge(third)), ["of a key that was removed", second]]);
    await pause(stepMs);
  }

  await disturb().finally(() => over.abort());
  const figures = await load;
  process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
  for (const { accepted, refused, slowestAcceptedMs, findings } of Object.values(figures)) {
    expect(findings).toEqual({});
    expect(accepted).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
    expect(slowestAcceptedMs).toBeLessThan(slowestAllowedMs);
  }
});

/** A transfer over gRPC and over REST, each between wallets of its own. */
async function prepareAsks({
  history,
  origin,
  asOperator,
}: AccessBed): Promise<Record<string, Ask>> {
  const create = async (): Promise<string> =>
    (await history.wallets.createWallet({ userId: alice }, asOperator)).wallet?.id ?? "";
  const [forRpc, forRest, receiver] = [await create(), await create(), await create()];
  for (const walletId of [forRpc, forRest]) {
    await history.wallets.fundWallet({ walletId, amount: "1000" }, asOperator);
  }
  const amount = "0.0001";
  return {
    gRPC: async (token) => {
      const transfer = { fromWalletId: forRpc, toWalletId: receiver, amount };
      const headers = { authorization: `Bearer ${token}` };
      try {
        await history.wallets.transfer(transfer, { headers });
        return "OK";
      } catch (error) {
        const fault = ConnectError.from(error);
        return errorReason(fault) ?? Code[fault.code];
      }
    },
    REST: async (token) => {
      const answer = await fetch(`${origin}/wallets/${forRest}/transfer`, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body: JSON.stringify({ to_wallet_id: receiver, amount }),
      });
      const body: unknown = await answer.json();
      return answer.ok ? "OK" : problemSchema.parse(body).reason;
    },
  };
}
