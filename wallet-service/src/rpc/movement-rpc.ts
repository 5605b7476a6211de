import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  type BatchTransferResultSchema,
  type PostTransactionRequest,
  type ReverseTransactionRequest,
  type TransferRequest,
  TransferResponseSchema,
  type WalletService,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { Ownership } from "@pelikuni/runtime/access/authorization";
import { type Caller, callerOf, ownUserOf } from "@pelikuni/runtime/access/caller";
import { logRefusal } from "@pelikuni/runtime/access/refusal-log";
import type { Logger } from "@pelikuni/runtime/logger";
import { invalidFields } from "@pelikuni/runtime/rpc-validation";
import { mapInSlices } from "@pelikuni/runtime/slices";
import type { Request } from "../command-group.ts";
import type { CommandFault, CommandOutcome } from "../command-outcome.ts";
import {
  fund,
  type MoveMoney,
  type ReverseTransaction,
  transfer,
  withdraw,
} from "../decide/command.ts";
import { walletIdsOfLegs } from "../wallet.ts";
import { statusOf } from "../wallet-errors.ts";
import { answerOf, type CommandRunner, requestOf, trusted } from "./command-runner.ts";
import { reversalMessage, type ShownAnswer, shownAnswer, sideOf } from "./messages.ts";

type Handlers = Pick<
  ServiceImpl<typeof WalletService>,
  | "fundWallet"
  | "transfer"
  | "batchTransfer"
  | "withdraw"
  | "postTransaction"
  | "reverseTransaction"
>;

const defaultAccount = "external";
const walletsLoggedMax = 10;

/** The handlers that move money. */
export function movementRpc(
  { run, runAll }: CommandRunner,
  { ownership, logger }: { readonly ownership: Ownership; readonly logger: Logger },
): Handlers {
  /** The transfers out of wallets that a caller does not own who is kept to his own. */
  async function foreignOf(
    transfers: readonly TransferRequest[],
    context: HandlerContext,
  ): Promise<ReadonlySet<TransferRequest>> {
    const own = ownUserOf(context);
    if (own === undefined) return new Set();
    const isOwn = await Promise.all(
      transfers.map(({ fromWalletId }) =>
        ownership.isOwner("wallet", fromWalletId.toLowerCase(), own),
      ),
    );
    const foreign = transfers.filter((_, index) => !isOwn[index]);
    if (foreign.length > 0) {
      const wallets = foreign.slice(0, walletsLoggedMax).map(({ fromWalletId }) => fromWalletId);
      const asked = { refused: foreign.length, wallets };
      logRefusal(logger, context.method, callerOf(context), asked);
    }
    return new Set(foreign);
  }

  return {
    async fundWallet(message, context) {
      const { walletId, amount, expectedVersion, source } = message;
      const to = walletId.toLowerCase();
      const command = fund(to, trusted(amount), expectedVersion, source || defaultAccount);
      const { receipt, wallet } = await run(command, message, context);
      return { receipt, wallet };
    },

    async transfer(message, context) {
      return transferResponse(await run(transferCommand(message), message, context));
    },

    async batchTransfer({ transfers }, context) {
      const caller = callerOf(context);
      const foreign = await foreignOf(transfers, context);
      const allowed = transfers.filter((message) => !foreign.has(message));
      const requests = await mapInSlices(allowed, (message) =>
        requestOf(transferCommand(message), message, caller),
      );
      const outcomes = await runAll(requests, context);
      const results = await mapInSlices(outcomes, (outcome, index) =>
        resultOf(outcome, requests[index], caller),
      );
      for (const [index, message] of transfers.entries()) {
        if (!foreign.has(message)) continue;
        const refusal = ownership.notFound("wallet", message.fromWalletId.toLowerCase());
        results.splice(index, 0, errorResult(refusal));
      }
      return { results };
    },

    async withdraw(message, context) {
      const { walletId, amount, expectedVersion, destination } = message;
      const from = walletId.toLowerCase();
      const to = destination || defaultAccount;
      const command = withdraw(from, trusted(amount), expectedVersion, to);
      const { receipt, wallet } = await run(command, message, context);
      return { receipt, wallet };
    },

    async postTransaction(message, context) {
      const { receipt, wallets } = await run(postCommand(message), message, context);
      return { receipt, wallets };
    },

    async reverseTransaction(message, context) {
      const answer = await run(reverseCommand(message), message, context);
      const { receipt, wallets, items } = answer;
      return { receipt, wallets, reversal: reversalMessage(items) };
    },
  };
}

function transferCommand(message: TransferRequest): MoveMoney {
  const { fromWalletId, toWalletId, amount, expectedVersion } = message;
  const from = fromWalletId.toLowerCase();
  return transfer(from, toWalletId.toLowerCase(), trusted(amount), expectedVersion);
}

function postCommand({
  legs: sent,
  expectedVersions,
  exchange,
}: PostTransactionRequest): MoveMoney {
  const legs = sent.map(({ from, to, amount }) => {
    return { from: sideOf(from), to: sideOf(to), amount: trusted(amount) };
  });
  const touched = walletIdsOfLegs(legs);
  const expected = new Map<string, bigint>();
  for (const [index, { walletId, version }] of expectedVersions.entries()) {
    const id = walletId.toLowerCase();
    if (!touched.includes(id) || expected.has(id)) {
      const description = "must be a wallet of the legs that no other expected version names";
      throw invalidFields([{ field: `expected_versions[${index}].wallet_id`, description }]);
    }
    expected.set(id, version);
  }
  return {
    kind: "post",
    legs,
    expected: [...expected].map(([walletId, version]) => ({ walletId, version })),
    ...(exchange && { exchange: { rate: exchange.rate, quoteId: exchange.quoteId } }),
  };
}

function reverseCommand(message: ReverseTransactionRequest): ReverseTransaction {
  const { transactionId, shortfallAccount, amount } = message;
  if (amount !== "" && message.legs.length > 0) {
    const description = "must be empty when legs are given";
    throw invalidFields([{ field: "amount", description }]);
  }
  const legs = message.legs
    .map(({ index, amount }) => ({ index, amount: trusted(amount) }))
    .sort((one, other) => one.index - other.index);
  const twice = legs.find(({ index }, place) => legs[place + 1]?.index === index);
  if (twice !== undefined) {
    const description = `leg ${twice.index} is named twice; give its whole amount once`;
    throw invalidFields([{ field: "legs", description }]);
  }
  return {
    kind: "reverseTransaction",
    transactionId: transactionId.toLowerCase(),
    legs: amount === "" ? legs : [{ index: 0, amount: trusted(amount) }],
    onlyLeg: amount !== "",
    ...(shortfallAccount !== "" && { shortfallAccount }),
  };
}

function transferResponse({
  receipt,
  wallets: [fromWallet, toWallet],
}: ShownAnswer): MessageInitShape<typeof TransferResponseSchema> {
  return { receipt, ...(fromWallet && { fromWallet }), ...(toWallet && { toWallet }) };
}

function resultOf(
  outcome: CommandOutcome | CommandFault,
  request: Request | undefined,
  caller: Caller,
): MessageInitShape<typeof BatchTransferResultSchema> {
  try {
    if (request === undefined) throw new Error("An outcome has no request.");
    const transferred = create(
      TransferResponseSchema,
      transferResponse(shownAnswer(answerOf(outcome, request), caller)),
    );
    return { result: { case: "transfer", value: transferred } };
  } catch (error) {
    return errorResult(ConnectError.from(error));
  }
}

function errorResult(error: ConnectError): MessageInitShape<typeof BatchTransferResultSchema> {
  return { result: { case: "error", value: statusOf(error) } };
}
