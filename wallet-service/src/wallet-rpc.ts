import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type { WalletSchema } from "@pelikuni/gen/wallet/v1/wallet_pb";
import {
  type BatchTransferResultSchema,
  EventFormat,
  type ReceiptSchema,
  type SnapshotWalletsResponseSchema,
  type SubscribeEventsResponseSchema,
  type TransferRequest,
  TransferResponseSchema,
  type WalletService,
  WalletStateSchema,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import { invalidFields } from "@pelikuni/runtime/rpc-validation";
import { eventsBehind, type JournalEvent, readJournal } from "./change-feed.ts";
import type { Request } from "./command-group.ts";
import { type Answer, CommandFault, type CommandOutcome } from "./command-outcome.ts";
import { type Amount, formatAmount, parseAmount, subtract } from "./money.ts";
import { formatPageToken, parsePageToken } from "./page-token.ts";
import { requestKey } from "./request-key.ts";
import { type Command, fund, transfer, type WalletState } from "./wallet.ts";
import type { WalletEngine } from "./wallet-engine.ts";
import { faultError, refusalError, statusOf } from "./wallet-errors.ts";
import { statusOnWire } from "./wallet-event-bytes.ts";
import type { RecordedWallet } from "./wallet-events.ts";
import { snapshotWallets } from "./wallet-snapshot.ts";
import { listWallets } from "./wallet-store.ts";

/** What the handlers work with. */
export interface WalletRpcParts extends WalletEngine {
  /** The currencies that a wallet may have. */
  readonly currencies: readonly string[];
  /** Makes the id of a new wallet: a UUIDv7, later ones greater. */
  readonly newWalletId: () => string;
}

type WalletMessage = MessageInitShape<typeof WalletSchema>;

const defaultCurrency = "USD";
const pageSizeDefault = 100;
// Until there is authentication every caller is the same one.
const principal = "";

/** The handlers of WalletService. Requests have passed the contract's rules when they get here. */
export function walletRpc(parts: WalletRpcParts): ServiceImpl<typeof WalletService> {
  const { groupCommit } = parts;

  async function run(request: Request, context: HandlerContext): Promise<Answer> {
    const [outcome] = submit([request], context);
    return answerOf(await outcome, request);
  }

  function submit(
    requests: readonly Request[],
    context: HandlerContext,
  ): Promise<CommandOutcome | CommandFault>[] {
    const expiresAtMs = performance.now() + (context.timeoutMs() ?? Number.POSITIVE_INFINITY);
    try {
      return groupCommit.submit(requests, expiresAtMs).map((outcome) => outcome.catch(faultOnly));
    } catch (error) {
      const fault = Promise.resolve(faultOnly(error));
      return requests.map(() => fault);
    }
  }

  return {
    async createWallet({ userId, currency, requestId }, context) {
      const command: Command = {
        kind: "walletCreated",
        walletId: parts.newWalletId(),
        userId,
        currency: knownCurrency(currency || defaultCurrency, parts.currencies),
      };
      const answer = await run(requestOf(command, requestId), context);
      return { receipt: receiptOf(answer), wallet: walletOf(answer.wallets[0]) };
    },

    async getWallet({ walletId }) {
      const wallet = await orUnavailable(parts.reader.read(walletId.toLowerCase()));
      if (wallet === undefined) throw refusalError({ reason: "WALLET_NOT_FOUND", walletId });
      return { wallet: walletOf(wallet) };
    },

    async listWallets({ userId, pageSize, pageToken }) {
      const limit = pageSize || pageSizeDefault;
      // One more than asked for tells whether there is a next page.
      const wanted = { ...pageStart(pageToken), ...ofUser(userId), limit: limit + 1 };
      const wallets = await orUnavailable(parts.pool.read((sql) => listWallets(sql, wanted)));
      const page = wallets.slice(0, limit);
      const last = page.at(-1);
      const hasMore = wallets.length > limit && last !== undefined;
      return { wallets: page.map(walletOf), nextPageToken: hasMore ? formatPageToken(last) : "" };
    },

    async fundWallet({ walletId, amount, requestId, expectedVersion }, context) {
      const command = fund(walletId.toLowerCase(), trusted(amount), expectedVersion);
      const answer = await run(requestOf(command, requestId), context);
      return { receipt: receiptOf(answer), wallet: walletOf(answer.wallets[0]) };
    },

    async transfer(message, context) {
      return transferResponse(await run(transferRequest(message), context));
    },

    async batchTransfer({ transfers }, context) {
      const requests = transfers.map(transferRequest);
      const outcomes = await Promise.all(submit(requests, context));
      return { results: outcomes.map((outcome, index) => resultOf(outcome, requests[index])) };
    },

    async *subscribeEvents({ afterPosition, format }, { signal }) {
      const asBytes = format === EventFormat.BYTES;
      const segments = readJournal(parts.pool, parts.tail, afterPosition, signal);
      for await (const segment of orUnavailableStream(segments)) {
        for (const event of eventsBehind(segment, afterPosition)) yield feedEvent(event, asBytes);
      }
    },

    async *snapshotWallets() {
      const snapshot = snapshotWallets(parts.openClient("snapshot"));
      for await (const part of orUnavailableStream(snapshot)) {
        if (typeof part === "bigint") yield { content: { case: "position", value: part } };
        else for (const wallet of part) yield snapshotOf(wallet);
      }
    },
  };
}

function requestOf(command: Command, requestId: string): Request {
  const key = requestId === "" ? undefined : requestKey(principal, requestId, command);
  return { command, requestId, requestKey: key };
}

function transferRequest(message: TransferRequest): Request {
  const { fromWalletId, toWalletId, amount, requestId, expectedVersion } = message;
  const from = fromWalletId.toLowerCase();
  const to = toWalletId.toLowerCase();
  return requestOf(transfer(from, to, trusted(amount), expectedVersion), requestId);
}

/** The contract's rules have let the amount through; what they let through is an amount. */
function trusted(text: string): Amount {
  const amount = parseAmount(text);
  if (amount === undefined) throw new Error("An amount that is none passed the contract's rules.");
  return amount;
}

function knownCurrency(currency: string, known: readonly string[]): string {
  if (known.includes(currency)) return currency;
  const description = `must be one of ${known.join(", ")}`;
  throw invalidFields([{ field: "currency", description }]);
}

function pageStart(pageToken: string): { after?: NonNullable<ReturnType<typeof parsePageToken>> } {
  if (pageToken === "") return {};
  const after = parsePageToken(pageToken);
  if (after !== undefined) return { after };
  const description = "must be empty or the next_page_token of the page before";
  throw invalidFields([{ field: "page_token", description }]);
}

function ofUser(userId: string): { userId?: string } {
  return userId === "" ? {} : { userId };
}

function answerOf(outcome: CommandOutcome | CommandFault | undefined, request: Request): Answer {
  if (outcome === undefined) throw new Error("A request has no outcome.");
  if (outcome instanceof CommandFault) throw faultError(outcome, request.requestId);
  if ("refusal" in outcome) throw refusalError(outcome.refusal);
  return outcome.answer;
}

function resultOf(
  outcome: CommandOutcome | CommandFault,
  request: Request | undefined,
): MessageInitShape<typeof BatchTransferResultSchema> {
  try {
    if (request === undefined) throw new Error("An outcome has no request.");
    const transferred = create(
      TransferResponseSchema,
      transferResponse(answerOf(outcome, request)),
    );
    return { result: { case: "transfer", value: transferred } };
  } catch (error) {
    return { result: { case: "error", value: statusOf(ConnectError.from(error)) } };
  }
}

function transferResponse(answer: Answer): MessageInitShape<typeof TransferResponseSchema> {
  const [from, to] = answer.wallets;
  return { receipt: receiptOf(answer), fromWallet: walletOf(from), toWallet: walletOf(to) };
}

function feedEvent(
  { position, bytes, journalHash = new Uint8Array() }: JournalEvent,
  asBytes: boolean,
): MessageInitShape<typeof SubscribeEventsResponseSchema> {
  return asBytes
    ? { position, content: { case: "eventBytes", value: bytes }, journalHash }
    : {
        position,
        content: { case: "event", value: fromBinary(WalletEventSchema, bytes) },
        journalHash,
      };
}

function snapshotOf(
  wallet: RecordedWallet,
): MessageInitShape<typeof SnapshotWalletsResponseSchema> {
  const value = create(WalletStateSchema, { wallet: walletOf(wallet), head: wallet.head });
  return { content: { case: "wallet", value } };
}

function receiptOf(answer: Answer): MessageInitShape<typeof ReceiptSchema> {
  const { transactionId, position, occurredAtMs } = answer;
  return { transactionId, position, occurredAt: timestampFromMs(occurredAtMs) };
}

function walletOf(wallet: WalletState | undefined): WalletMessage {
  if (wallet === undefined) throw new Error("An answer lacks a wallet.");
  return {
    id: wallet.id,
    userId: wallet.userId,
    currency: wallet.currency,
    balance: formatAmount(wallet.balance),
    held: formatAmount(wallet.held),
    available: formatAmount(subtract(wallet.balance, wallet.held)),
    status: statusOnWire[wallet.status],
    version: wallet.version,
    createTime: timestampFromMs(wallet.createTimeMs),
    updateTime: timestampFromMs(wallet.updateTimeMs),
  };
}

function faultOnly(error: unknown): CommandFault {
  if (error instanceof CommandFault) return error;
  throw error;
}

async function orUnavailable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw readFault(error);
  }
}

async function* orUnavailableStream<T>(reading: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* reading;
  } catch (error) {
    throw readFault(error);
  }
}

function readFault(error: unknown): unknown {
  if (!(error instanceof DatabaseUnavailable)) return error;
  const message = "The database does not answer; try again.";
  return faultError(new CommandFault("DATABASE_UNAVAILABLE", message, error), "");
}
