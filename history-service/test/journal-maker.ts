import { createHash } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { amountText } from "../src/amount-units.ts";
import type { ArrivedMessage } from "../src/parked-event-store.ts";

type EventInit = Exclude<MessageInitShape<typeof WalletEventSchema>, { $typeName: string }>;

interface MadeWallet {
  version: bigint;
  units: bigint;
  head: Uint8Array;
}

/** Makes a journal as the wallet-service would: valid events in segments with their hashes. */
export interface JournalMaker {
  /** Everything made so far, in order of positions from 1. */
  readonly messages: ArrivedMessage[];
  readonly wallets: ReadonlyMap<string, MadeWallet>;
  /** Creates a wallet and gives its id. */
  createWallet(): string;
  fund(walletId: string, units: bigint): void;
  transfer(fromId: string, toId: string, units: bigint): void;
  /** Ends the segment: the last event carries its hash. */
  endSegment(): void;
}

const startMs = Date.UTC(2026, 0, 1);
const currency = "USD";

/** @param seed makes the ids: two makers with one seed make the same journal */
export function createJournalMaker(seed: string): JournalMaker {
  const messages: ArrivedMessage[] = [];
  const wallets = new Map<string, MadeWallet>();
  let hashes: Buffer[] = [];
  let journalHash: Uint8Array = new Uint8Array();

  function append(
    kind: NonNullable<EventInit["kind"]>,
    legs: NonNullable<EventInit["legs"]>,
    moves: readonly (readonly [walletId: string, units: bigint])[],
  ): void {
    const position = BigInt(messages.length + 1);
    const changes = moves.map(([walletId, units]) => {
      const before = wallets.get(walletId);
      return {
        walletId,
        userId: `owner of ${walletId}`,
        currency,
        version: before ? before.version + 1n : 0n,
        balance: amountText((before?.units ?? 0n) + units),
        held: amountText(0n),
        status: WalletStatus.ACTIVE,
        amount: amountText(units),
        previousHead: before?.head ?? new Uint8Array(),
      };
    });
    const event = create(WalletEventSchema, {
      transactionId: uuidOf(`${seed} transaction ${position}`),
      occurredAt: timestampFromMs(startMs + 1_000 * messages.length),
      requestId: `request ${position}`,
      legs,
      changes,
      kind,
    });
    const bytes = toBinary(WalletEventSchema, event);
    const head = sha256(bytes);
    for (const [walletId, units] of moves) {
      const before = wallets.get(walletId);
      const version = before ? before.version + 1n : 0n;
      wallets.set(walletId, { version, units: (before?.units ?? 0n) + units, head });
    }
    hashes.push(head);
    const origin = { topic: "test", partition: 0, offset: position };
    messages.push({ position, bytes, journalHash: undefined, origin });
  }

  return {
    messages,
    wallets,
    createWallet() {
      const walletId = uuidOf(`${seed} wallet ${wallets.size}`);
      append({ case: "walletCreated", value: {} }, [], [[walletId, 0n]]);
      return walletId;
    },
    fund(walletId, units) {
      append(
        { case: "walletFunded", value: {} },
        [leg(undefined, walletId, units)],
        [[walletId, units]],
      );
    },
    transfer(fromId, toId, units) {
      append(
        { case: "transferCompleted", value: {} },
        [leg(fromId, toId, units)],
        [
          [fromId, -units],
          [toId, units],
        ],
      );
    },
    endSegment() {
      const last = messages.length - 1;
      const message = messages[last];
      if (message === undefined || hashes.length === 0) return;
      const first = Buffer.alloc(8);
      first.writeBigInt64BE(BigInt(messages.length - hashes.length + 1));
      journalHash = sha256(Buffer.concat([journalHash, first, ...hashes]));
      hashes = [];
      messages[last] = { ...message, journalHash };
    },
  };
}

function leg(
  fromId: string | undefined,
  toId: string,
  units: bigint,
): NonNullable<EventInit["legs"]>[number] {
  const outside = { case: "account", value: "external" } as const;
  return {
    from: { side: fromId === undefined ? outside : { case: "walletId", value: fromId } },
    to: { side: { case: "walletId", value: toId } },
    amount: amountText(units),
    currency,
  };
}

/** SHA-256. */
export function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** A UUID made of a text: the same one for the same text. */
export function uuidOf(text: string): string {
  const hex = sha256(Buffer.from(text)).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `7${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`]
    .concat(hex.slice(20, 32))
    .join("-");
}
