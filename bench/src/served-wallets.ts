import { type CallOptions, type Client, createClient } from "@connectrpc/connect";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";
import { type Run, walletCount } from "./measurement.ts";
import { requireConserved } from "./money-check.ts";

/** The wallets that a system under load serves. */
export interface ServedWallets extends AsyncDisposable {
  readonly ids: readonly string[];
  /** How many transfers have been acknowledged to callers so far. */
  readonly acknowledged: number;
  /** Notes the transfers that were acknowledged to the callers of a run. */
  note(run: Run): void;
  /**
   * Checks that they made no money and lost none, and that each acted exactly once.
   *
   * @throws Error when that is not so
   */
  check(): Promise<void>;
}

interface Totals {
  /** In ten-thousandths. */
  readonly balance: string;
  /** Of all wallets together: a transfer adds two. */
  readonly version: bigint;
}

interface Calls {
  readonly client: Client<typeof WalletService>;
  readonly options: CallOptions;
}

const messageBytesMax = 4_194_304;
const deadlineMs = 30_000;
const fundedAmount = "1000000";

/**
 * Creates and funds the wallets of the benchmark in the system that has this gRPC port.
 *
 * @param token says who calls, where the system wants to know
 */
export async function createServedWallets(
  grpcPort: number,
  token?: string,
): Promise<ServedWallets> {
  const address = `127.0.0.1:${grpcPort}`;
  const transport = createGrpcTransport({
    address,
    messageBytesMax,
    deadlineDefaultMs: deadlineMs,
  });
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const calls = { client: createClient(WalletService, transport), options: { headers } };
  // The first call waits until the service has fetched its issuer's keys.
  const first = await createWallet(calls);
  const others = Array.from({ length: walletCount - 1 }, () => createWallet(calls));
  const ids = [first, ...(await Promise.all(others))];
  const before = await readTotals(calls);
  let acknowledged = 0;
  return {
    ids,
    get acknowledged() {
      return acknowledged;
    },
    note: ({ calls = 0 }) => {
      acknowledged += calls;
    },
    check: async () => {
      const after = await readTotals(calls);
      requireConserved(before, after);
      const made = (after.version - before.version) / 2n;
      if (made !== BigInt(acknowledged)) {
        throw new Error(`${acknowledged} transfers were acknowledged, and ${made} were made.`);
      }
    },
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

async function createWallet({ client, options }: Calls): Promise<string> {
  const { wallet } = await client.createWallet({ userId: "bench" }, options);
  const walletId = wallet?.id ?? "";
  await client.fundWallet({ walletId, amount: fundedAmount }, options);
  return walletId;
}

async function readTotals({ client, options }: Calls): Promise<Totals> {
  let balance = 0n;
  let version = 0n;
  let pageToken = "";
  do {
    const page = await client.listWallets({ pageSize: walletCount, pageToken }, options);
    for (const wallet of page.wallets) {
      balance += BigInt(wallet.balance.replace(".", ""));
      version += wallet.version;
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return { balance: String(balance), version };
}
