import { anyUnpack, timestampMs } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@pelikuni/gen/google/rpc/error_details_pb";
import type { Status } from "@pelikuni/gen/google/rpc/status_pb";
import type { Wallet } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type {
  BatchTransferResult,
  Receipt,
  TransferResponse,
  WalletService,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { Acknowledgement, Ledger, Order, Outcome } from "./ledger.ts";
import { amountText } from "./money-units.ts";

/** A client of one replica. */
export type WalletClient = Client<typeof WalletService>;

/** A transfer among the orders. */
export type TransferOrder = Extract<Order, { kind: "transfer" }>;

/** Sends single calls, and writes into the ledger what was answered. */
export interface WalletCaller {
  /** One attempt at an order on one replica, with a deadline if given. */
  attempt(order: Order, replica: number, timeoutMs?: number): Promise<Outcome>;
  /** One attempt at several transfers as one batch. */
  attemptBatch(orders: readonly TransferOrder[], replica: number): Promise<Outcome[]>;
  read(walletId: string, replica: number): Promise<void>;
}

// Answers that tell the caller of his own fault. Everything else leaves the order open.
const refusals = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.FailedPrecondition,
  Code.Aborted,
  Code.AlreadyExists,
]);

/** Creates a caller over the clients of all replicas. */
export function createWalletCaller(clients: readonly WalletClient[], ledger: Ledger): WalletCaller {
  function client(replica: number): WalletClient {
    const found = clients[replica];
    if (found === undefined) throw new Error(`There is no replica ${replica}.`);
    return found;
  }

  return {
    async attempt(order, replica, timeoutMs) {
      const startMs = Date.now();
      const options = timeoutMs === undefined ? {} : { timeoutMs };
      const outcome = await send(client(replica), order, options).catch(outcomeOfError);
      const endMs = nowAfter();
      ledger.attempts.push({ order, replica, timeoutMs, startMs, endMs, outcome });
      return outcome;
    },

    async attemptBatch(orders, replica) {
      const startMs = Date.now();
      const outcomes = await sendBatch(client(replica), orders).catch((error: unknown) =>
        orders.map(() => outcomeOfError(error)),
      );
      const endMs = nowAfter();
      for (const [index, order] of orders.entries()) {
        const outcome = outcomes[index] ?? fault("MISSING", "", "The batch has no such result.");
        ledger.attempts.push({ order, replica, startMs, endMs, outcome });
      }
      return outcomes;
    },

    async read(walletId, replica) {
      const startMs = Date.now();
      let wallet: Wallet | undefined;
      let failure: string | undefined;
      try {
        wallet = (await client(replica).getWallet({ walletId })).wallet;
      } catch (error) {
        failure = describeFault(outcomeOfError(error));
      }
      const endMs = nowAfter();
      ledger.readings.push({ replica, walletId, startMs, endMs, wallet, fault: failure });
    },
  };
}

// Date.now() is rounded down; an end must not lie before the instant that it stands for.
function nowAfter(): number {
  return Date.now() + 1;
}

async function send(client: WalletClient, order: Order, options: CallOptions): Promise<Outcome> {
  const { requestId } = order;
  switch (order.kind) {
    case "create": {
      const request = { userId: order.userId, requestId };
      const { receipt, wallet } = await client.createWallet(request, options);
      return acknowledged(receipt, [wallet]);
    }
    case "fund": {
      const amount = amountText(order.units);
      const request = { walletId: order.to, amount, requestId };
      const { receipt, wallet } = await client.fundWallet(request, options);
      return acknowledged(receipt, [wallet]);
    }
    case "transfer":
      return transferred(await client.transfer(transferRequest(order), options));
  }
}

async function sendBatch(
  client: WalletClient,
  orders: readonly TransferOrder[],
): Promise<Outcome[]> {
  const { results } = await client.batchTransfer({ transfers: orders.map(transferRequest) });
  return results.map(outcomeOfResult);
}

function transferRequest(order: TransferOrder): {
  fromWalletId: string;
  toWalletId: string;
  amount: string;
  requestId: string;
  expectedVersion?: bigint;
} {
  const { from, to, units, requestId, expectedVersion } = order;
  const expected = expectedVersion === undefined ? {} : { expectedVersion };
  return {
    fromWalletId: from,
    toWalletId: to,
    amount: amountText(units),
    requestId,
    ...expected,
  };
}

function transferred({ receipt, fromWallet, toWallet }: TransferResponse): Outcome {
  return acknowledged(receipt, [fromWallet, toWallet]);
}

function acknowledged(
  receipt: Receipt | undefined,
  answered: readonly (Wallet | undefined)[],
): Outcome {
  const wallets = answered.filter((wallet) => wallet !== undefined);
  if (receipt?.occurredAt === undefined || wallets.length < answered.length) {
    return fault("INCOMPLETE", "", "The answer lacks its receipt or a wallet.");
  }
  const { transactionId, position, occurredAt } = receipt;
  const occurredAtMs = timestampMs(occurredAt);
  const answer: Acknowledgement = { transactionId, position, occurredAtMs, wallets };
  return { acknowledged: answer };
}

function outcomeOfResult({ result }: BatchTransferResult): Outcome {
  if (result.case === "transfer") return transferred(result.value);
  if (result.case === "error") return outcomeOfStatus(result.value);
  return fault("MISSING", "", "The batch has an empty result.");
}

function outcomeOfStatus({ code, message, details }: Status): Outcome {
  const infos = details.flatMap((detail) => anyUnpack(detail, ErrorInfoSchema) ?? []);
  return outcomeOf(code, infos[0]?.reason ?? "", message);
}

function outcomeOfError(error: unknown): Outcome {
  if (!(error instanceof ConnectError)) throw error;
  const reason = error.findDetails(ErrorInfoSchema)[0]?.reason ?? "";
  return outcomeOf(error.code, reason, error.rawMessage);
}

function outcomeOf(code: Code, reason: string, message: string): Outcome {
  return refusals.has(code) ? { refused: reason } : fault(Code[code], reason, message);
}

function fault(code: string, reason: string, message: string): Outcome {
  return { fault: { code, reason, message } };
}

function describeFault(outcome: Outcome): string {
  if ("refused" in outcome) return outcome.refused;
  if ("acknowledged" in outcome) return "";
  const { code, reason, message } = outcome.fault;
  return `${code} ${reason} ${message}`;
}
