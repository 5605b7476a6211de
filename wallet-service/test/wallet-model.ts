import type { Command } from "../src/decide/command.ts";
import { formatAmount } from "../src/money.ts";
import type { WalletState } from "../src/wallet.ts";
import type { EventItems } from "../src/wallet-events.ts";
import {
  heldOf,
  type ModelHold,
  type ModelTransaction,
  type ModelWallet,
  type Plan,
  walletIn,
} from "./model-movement.ts";
import { plan } from "./model-operations.ts";
import { written } from "./model-units.ts";

/** What the model expects of a request: why it is refused, or its answer as `told` writes it. */
export type Expected = { readonly refused: string } | { readonly answer: string };

/** What a request is sent with, beside its command. */
export interface Sent {
  readonly requestId: string;
  readonly reference: string;
}

/** A wallet system so simple that it is easily seen to be right: one thread, maps, bigints. */
export class WalletModel {
  readonly wallets = new Map<string, ModelWallet>();
  readonly holds = new Map<string, ModelHold>();
  /** Those whose ids have been learned. */
  readonly transactions = new Map<string, ModelTransaction>();
  readonly #unnamed: ModelTransaction[] = [];
  readonly #requests = new Map<string, { input: string; answer: string }>();
  readonly #references = new Set<string>();

  /**
   * Carries out a command, and says what the real system must answer.
   *
   * @param nowMs on the clock of who decides
   */
  expect(command: Command, { requestId, reference }: Sent, nowMs: number): Expected {
    const input = JSON.stringify([inputOf(command), reference]);
    const first = requestId === "" ? undefined : this.#requests.get(requestId);
    if (first) {
      return first.input === input ? { answer: first.answer } : { refused: "REQUEST_ID_REUSED" };
    }
    const planned = plan(this, command, nowMs);
    if (typeof planned === "string") return { refused: planned };
    const used = planned.legs.flatMap(({ from }) =>
      "account" in from && reference !== "" ? [`${from.account} ${reference}`] : [],
    );
    if (used.some((one) => this.#references.has(one))) return { refused: "REFERENCE_ALREADY_USED" };
    for (const one of used) this.#references.add(one);
    planned.apply();
    const { legs, reversal } = planned;
    const isReversal = reversal !== undefined;
    this.#unnamed.push({ legs, isReversal, reversed: legs.map(() => 0n) });
    const answer = this.#answerOf(planned);
    if (requestId !== "") this.#requests.set(requestId, { input, answer });
    return { answer };
  }

  /** Tells the ids of the transactions that were answered since the last call, repeats included. */
  learn(answered: readonly string[]): void {
    const ids = [...new Set(answered)].filter((id) => !this.transactions.has(id));
    for (const [index, transaction] of this.#unnamed.splice(0).entries()) {
      this.transactions.set(ids[index] ?? "", transaction);
    }
  }

  #answerOf({ atMs, walletIds, holdId, reversal, settingsOf }: Plan): string {
    const wallets = walletIds.map((id) => {
      const { units, status, version } = walletIn(this, id);
      return [id, written(units), written(heldOf(this, id)), status, Number(version)];
    });
    const hold = holdId === undefined ? undefined : this.holds.get(holdId);
    const settings = settingsOf === undefined ? undefined : walletIn(this, settingsOf);
    return JSON.stringify({
      atMs,
      wallets,
      hold: hold && [holdId, written(hold.units), written(hold.captured), hold.status],
      reversal: reversal?.map(({ index, units }) => [index, written(units)]),
      settings: settings && [
        Object.entries(settings.metadata).toSorted(),
        settings.limit === undefined ? null : written(settings.limit),
      ],
    });
  }
}

/** An answer of the real system, as the model writes it. */
export function told(answer: {
  readonly occurredAtMs: number;
  readonly wallets: readonly Pick<WalletState, "id" | "balance" | "held" | "status" | "version">[];
  readonly items: EventItems;
}): string {
  const { hold, reversal, settings } = answer.items;
  return JSON.stringify({
    atMs: answer.occurredAtMs,
    wallets: answer.wallets.map(({ id, balance, held, status, version }) => {
      return [id, formatAmount(balance), formatAmount(held), status, Number(version)];
    }),
    hold: hold && [hold.id, formatAmount(hold.amount), formatAmount(hold.captured), hold.status],
    reversal: reversal?.legs.map(({ index, amount }) => [index, formatAmount(amount)]),
    settings: settings && [
      Object.entries(settings.metadata).toSorted(),
      settings.transferLimit === undefined ? null : formatAmount(settings.transferLimit),
    ],
  });
}

/** What must be the same for a repeat: not the versions expected, nor the ids of what is new. */
function inputOf(command: Command): unknown {
  const { kind, ...input } = { expected: undefined, expectedVersion: undefined, ...command };
  const { expected: _, expectedVersion: __, ...same } = input;
  if (kind === "createWallet") return { kind, ...same, walletId: undefined };
  return kind === "placeHold" ? { kind, ...same, holdId: undefined } : { kind, ...same };
}
