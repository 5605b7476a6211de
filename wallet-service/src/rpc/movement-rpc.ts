import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type BatchTransferResultSchema,
  type PostTransactionRequest,
  type ReverseTransactionRequest,
  type TransferRequest,
  TransferResponseSchema,
  type WalletService,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { invalidFields } from "@pelikuni/runtime/rpc-validation";
import type { Request } from "../command-group.ts";
import type { Answer, CommandFault, CommandOutcome } from "../command-outcome.ts";
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
import { receiptOf, reversalMessage, sideOf, walletMessage } from "./messages.ts";

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

/** The handlers that move money. */
export function movementRpc({ run, runAll }: CommandRunner): Handlers {
  return {
    async fundWallet(message, context) {
      const { walletId, amount, expectedVersion, source } = message;
      const to = walletId.toLowerCase();
      const command = fund(to, trusted(amount), expectedVersion, source || defaultAccount);
      const answer = await run(command, message, context);
      return { receipt: receiptOf(answer), wallet: walletMessage(answer.wallets[0]) };
    },

    async transfer(message, context) {
      return transferResponse(await run(transferCommand(message), message, context));
    },

    async batchTransfer({ transfers }, context) {
      const requests = transfers.map((message) => requestOf(transferCommand(message), message));
      const outcomes = await runAll(requests, context);
      return { results: outcomes.map((outcome, index) => resultOf(outcome, requests[index])) };
    },

    async withdraw(message, context) {
      const { walletId, amount, expectedVersion, destination } = message;
      const from = walletId.toLowerCase();
      const to = destination || defaultAccount;
      const command = withdraw(from, trusted(amount), expectedVersion, to);
      const answer = await run(command, message, context);
      return { receipt: receiptOf(answer), wallet: walletMessage(answer.wallets[0]) };
    },

    async postTransaction(message, context) {
      const answer = await run(postCommand(message), message, context);
      return { receipt: receiptOf(answer), wallets: answer.wallets.map(walletMessage) };
    },

    async reverseTransaction(message, context) {
      const answer = await run(reverseCommand(message), message, context);
      const wallets = answer.wallets.map(walletMessage);
      return { receipt: receiptOf(answer), wallets, reversal: reversalMessage(answer) };
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

function transferResponse(answer: Answer): MessageInitShape<typeof TransferResponseSchema> {
  const [from, to] = answer.wallets;
  return {
    receipt: receiptOf(answer),
    fromWallet: walletMessage(from),
    toWallet: walletMessage(to),
  };
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
