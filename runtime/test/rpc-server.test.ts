import { Code } from "@connectrpc/connect";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { afterEach, describe, expect, test } from "vitest";
import {
  errorMetadata,
  errorReason,
  errorRetryDelayMs,
  errorViolations,
  rpcError,
} from "../src/rpc-errors.ts";
import {
  deferred,
  failureOf,
  startTestServer,
  type TestServer,
  validTransfer,
  type WalletHandlers,
  walletId,
  waysIn,
} from "./rpc-test-server.ts";

let running: TestServer | undefined;

afterEach(async () => {
  await running?.[Symbol.asyncDispose]();
  running = undefined;
});

async function start(
  handlers: WalletHandlers,
  limits?: Record<string, number>,
): Promise<TestServer> {
  running = await startTestServer(limits === undefined ? { handlers } : { handlers, limits });
  return running;
}

describe.each(waysIn)("%s", (wayIn) => {
  test("a call reaches the handler with its headers, and its answer comes back with others", async () => {
    const { wallets } = await start({
      getWallet: (request, context) => {
        context.responseHeader.set("x-echo", context.requestHeader.get("x-word") ?? "");
        context.responseTrailer.set("x-end", "done");
        return { wallet: { id: request.walletId, version: 2n ** 60n } };
      },
    });
    const seen: (string | null)[] = [];
    const { wallet } = await wallets(wayIn).getWallet(
      { walletId },
      {
        headers: { "x-word": "hello" },
        onHeader: (header) => seen.push(header.get("x-echo")),
        onTrailer: (trailer) => seen.push(trailer.get("x-end")),
      },
    );
    expect(wallet).toMatchObject({ id: walletId, version: 2n ** 60n });
    expect(seen).toEqual(["hello", "done"]);
  });

  test("a refusal arrives with code, message, reason and facts", async () => {
    const message = "Wallet nicht gefunden: 100 % ü 💶 ;/?:@&=+$,# %41\n\ttwo";
    const { wallets, log } = await start({
      getWallet: () => {
        throw rpcError({
          code: Code.NotFound,
          reason: "WALLET_NOT_FOUND",
          message,
          metadata: { wallet_id: walletId },
          retryDelayMs: 1_250,
        });
      },
    });
    const error = await failureOf(wallets(wayIn).getWallet({ walletId }));
    expect(error.code).toBe(Code.NotFound);
    expect(error.rawMessage).toBe(message);
    expect(errorReason(error)).toBe("WALLET_NOT_FOUND");
    expect(errorMetadata(error)).toEqual({ wallet_id: walletId });
    expect(errorRetryDelayMs(error)).toBe(1_250);
    expect(log).toEqual([]);
  });

  test("the longest refusal that can be made arrives", async () => {
    const text = "💶".repeat(1_000);
    const { wallets } = await start({
      getWallet: () => {
        const violations = Array.from({ length: 100 }, () => ({ field: text, description: text }));
        throw rpcError({
          code: Code.InvalidArgument,
          reason: "INVALID_FIELD",
          message: text,
          violations,
        });
      },
    });
    const error = await failureOf(wallets(wayIn).getWallet({ walletId }));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toMatch(/^(💶){249}.?…$/u);
    expect(errorViolations(error)).toHaveLength(20);
  });

  test("a fault in a handler is logged and shows nothing of itself to the caller", async () => {
    const { wallets, log } = await start({
      getWallet: () => {
        throw new Error("select secret from vault");
      },
    });
    const error = await failureOf(wallets(wayIn).getWallet({ walletId }));
    expect(error.code).toBe(Code.Internal);
    expect(error.rawMessage).toBe("Internal error");
    expect(JSON.stringify(error)).not.toMatch(/secret/);
    expect(log).toHaveLength(1);
    expect(log[0]).toMatch(/select secret from vault.*WalletService\/GetWallet/);
  });

  test("a request that breaks the contract's rules never reaches the handler", async () => {
    let calls = 0;
    const { wallets } = await start({
      batchTransfer: () => {
        calls += 1;
        return {};
      },
    });
    const bad = { ...validTransfer, amount: "1e3", requestId: "a\0b" };
    const error = await failureOf(
      wallets(wayIn).batchTransfer({
        transfers: [validTransfer, validTransfer, validTransfer, bad],
      }),
    );
    expect(error.code).toBe(Code.InvalidArgument);
    expect(errorReason(error)).toBe("INVALID_FIELD");
    expect(errorViolations(error).map(({ field }) => field)).toEqual([
      "transfers[3].request_id",
      "transfers[3].amount",
    ]);
    expect(error.rawMessage).toBe("transfers[3].request_id: must not contain U+0000");
    expect(calls).toBe(0);
  });

  test("a call without a deadline gets the default, and one with a longer one the maximum", async () => {
    const left: (number | undefined)[] = [];
    const { transport } = await start(
      {
        getWallet: (_request, context) => {
          left.push(context.timeoutMs());
          return {};
        },
      },
      { deadline_default_ms: 5_000, deadline_max_ms: 9_000 },
    );
    const { getWallet } = WalletService.method;
    for (const timeoutMs of [undefined, 60_000, 1_000]) {
      await transport(wayIn).unary(getWallet, undefined, timeoutMs, undefined, { walletId });
    }
    const [byDefault = 0, capped = 0, own = 0] = left;
    // The test's gRPC client has a default of its own, 20 seconds, which the server caps.
    expect(byDefault).toBeGreaterThan(wayIn === "gRPC" ? 8_000 : 4_000);
    expect(byDefault).toBeLessThanOrEqual(wayIn === "gRPC" ? 9_000 : 5_000);
    expect(capped).toBeGreaterThan(8_000);
    expect(capped).toBeLessThanOrEqual(9_000);
    expect(own).toBeGreaterThan(0);
    expect(own).toBeLessThanOrEqual(1_000);
  });

  test.each([
    ["the server's maximum", { deadline_max_ms: 500 }, undefined],
    ["the caller's own", {}, 500],
  ])(
    "a handler that outlasts a deadline, %s, is answered for and aborted",
    async (_whose, limits, timeoutMs) => {
      const aborted = deferred<unknown>();
      const never = deferred();
      const { wallets } = await start(
        {
          getWallet: async (_request, context) => {
            context.signal.addEventListener("abort", () => aborted.resolve(context.signal.reason));
            await never.promise;
            return {};
          },
        },
        limits,
      );
      const options = timeoutMs === undefined ? {} : { timeoutMs };
      const error = await failureOf(wallets(wayIn).getWallet({ walletId }, options));
      expect(error.code).toBe(Code.DeadlineExceeded);
      expect(await aborted.promise).toBeInstanceOf(Error);
      never.resolve();
    },
  );

  test("a caller who gives up is answered at once, and the handler's signal is aborted", async () => {
    const begun = deferred();
    const aborted = deferred();
    const never = deferred();
    const { wallets } = await start({
      getWallet: async (_request, context) => {
        context.signal.addEventListener("abort", () => aborted.resolve());
        begun.resolve();
        await never.promise;
        return {};
      },
    });
    const controller = new AbortController();
    const call = failureOf(wallets(wayIn).getWallet({ walletId }, { signal: controller.signal }));
    await begun.promise;
    controller.abort();
    expect((await call).code).toBe(Code.Canceled);
    await aborted.promise;
    never.resolve();
  });

  test("a signal that a handler kept is aborted once the call is over", async () => {
    const signals: AbortSignal[] = [];
    const { wallets } = await start({
      getWallet: (_request, context) => {
        signals.push(context.signal);
        return {};
      },
    });
    await wallets(wayIn).getWallet({ walletId });
    await expect.poll(() => signals[0]?.aborted).toBe(true);
  });

  test("a method that the server does not have is unimplemented", async () => {
    const { transport } = await start({});
    const method = { ...WalletService.method.getWallet, name: "StealWallet" };
    const call = transport(wayIn).unary(method, undefined, undefined, undefined, { walletId });
    expect((await failureOf(call)).code).toBe(Code.Unimplemented);
  });
});

test("calls beyond the limit are refused whatever way they come, and only a repeatable one is told when", async () => {
  const begun = deferred();
  const release = deferred();
  const { wallets } = await start(
    {
      transfer: async () => {
        begun.resolve();
        await release.promise;
        return {};
      },
    },
    { requests_in_flight_max: 1 },
  );
  const first = wallets("gRPC").transfer(validTransfer);
  await begun.promise;
  for (const wayIn of waysIn) {
    const error = await failureOf(wallets(wayIn).transfer(validTransfer));
    expect(error.code).toBe(Code.Unavailable);
    expect(errorReason(error)).toBe("OVERLOADED");
    expect(errorRetryDelayMs(error)).toBeUndefined();
    const repeatable = wallets(wayIn).transfer({ ...validTransfer, requestId: "once" });
    expect(errorRetryDelayMs(await failureOf(repeatable))).toBeGreaterThan(0);
  }
  release.resolve();
  await first;
  await wallets("Connect").transfer(validTransfer);
});
