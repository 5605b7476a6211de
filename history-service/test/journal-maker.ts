import { createHash } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { amountText } from "../src/amount-units.ts";
import type { ArrivedMessage } from "../src/parked-event-store.ts";

type EventInit = Exclude<MessageInitShape<typeof WalletEventSchema>, { $typeName: string }>;

/** A wallet as the events so far make it; amounts are ten-thousandths. */
export interface MadeWallet {
  readonly userId: string;
  readonly currency: string;
  readonly version: bigint;
  readonly units: bigint;
  readonly held: bigint;
  readonly status: WalletStatus;
  readonly head: Uint8Array;
}

/** A movement; an end that is no made wallet's id is an account outside. */
export interface MadeLeg {
  readonly from: string;
  readonly to: string;
  readonly units: bigint;
}

/** An event of any kind. */
export interface MadeEvent {
  readonly kind: NonNullable<EventInit["kind"]>;
  readonly legs?: readonly MadeLeg[];
  /** A wallet that is touched without a leg, or that becomes something beside its balance. */
  readonly wallet?: { readonly id: string; readonly held?: bigint; readonly status?: WalletStatus };
  readonly details?: NonNullable<EventInit["details"]>;
  readonly actor?: NonNullable<EventInit["actor"]>;
  /** Of its position when it is left out. */
  readonly requestId?: string;
  /** One second after the event before when it is left out: milliseconds since 1970. */
  readonly occurredAtMs?: number;
}

/** Makes a journal as the wallet-service would: valid events in segments with their hashes. */
export interface JournalMaker {
  /** Everything made so far, in order of positions from 1. */
  readonly messages: ArrivedMessage[];
  readonly wallets: ReadonlyMap<string, MadeWallet>;
  /** Creates a wallet, of a user of its own unless one is named, and gives its id. */
  createWallet(currency?: string, userId?: string): string;
  fund(walletId: string, units: bigint): void;
  transfer(fromId: string, toId: string, units: bigint): void;
  /** Makes an event of any kind, and gives its transaction. */
  append(event: MadeEvent): string;
  /** Ends the segment: the last event carries its hash. */
  endSegment(): void;
}

/** When the first event of a journal occurred. */
export const startMs = Date.UTC(2026, 0, 1);

/** @param seed makes the ids: two makers with one seed make the same journal */
export function createJournalMaker(seed: string): JournalMaker {
  const messages: ArrivedMessage[] = [];
  const wallets = new Map<string, MadeWallet>();
  let hashes: Buffer[] = [];
  let journalHash: Uint8Array = new Uint8Array();

  /** What a wallet becomes; one that is not there yet comes into being. */
  function become(id: string, { legs = [], wallet, kind }: MadeEvent): MadeWallet {
    const before = wallets.get(id);
    const own = wallet?.id === id ? wallet : undefined;
    const userId = `owner of ${id}`;
    const opened = {
      userId,
      currency: "USD",
      version: -1n,
      units: 0n,
      held: 0n,
      head: new Uint8Array(),
    };
    const was = before ?? { ...opened, status: WalletStatus.ACTIVE };
    if ((before === undefined) !== (kind.case === "walletCreated")) throw new Error("No wallet.");
    return {
      ...was,
      version: was.version + 1n,
      units: was.units + netOf(id, legs),
      held: was.held + (own?.held ?? 0n),
      status: own?.status ?? was.status,
    };
  }

  function append(made: MadeEvent, opened: Partial<MadeWallet> = {}): string {
    const { kind, legs = [], wallet, details, actor, occurredAtMs } = made;
    const position = BigInt(messages.length + 1);
    const { requestId = `request ${position}` } = made;
    const transactionId = uuidOf(`${seed} transaction ${position}`);
    const ends = legs.flatMap(({ from, to }) => [from, to]).filter((id) => wallets.has(id));
    const touched = new Set(wallet === undefined ? ends : [wallet.id, ...ends]);
    const became = new Map(
      [...touched].map((id) => {
        const after = become(id, made);
        return [id, after.version === 0n ? { ...after, ...opened } : after];
      }),
    );
    const event = create(WalletEventSchema, {
      transactionId,
      occurredAt: timestampFromMs(occurredAtMs ?? startMs + 1_000 * messages.length),
      requestId,
      legs: legs.map((leg) => legMessage(leg, wallets)),
      changes: [...became].map(([id, after]) => changeMessage(id, wallets.get(id), after)),
      kind,
      ...(details ? { details } : {}),
      ...(actor ? { actor } : {}),
    });
    const bytes = toBinary(WalletEventSchema, event);
    const head = sha256(bytes);
    for (const [id, after] of became) wallets.set(id, { ...after, head });
    hashes.push(head);
    const origin = { topic: "test", partition: 0, offset: position };
    messages.push({ position, bytes, journalHash: undefined, origin, confirmed: false });
    return transactionId;
  }

  return {
    messages,
    wallets,
    append: (event) => append(event),
    createWallet(currency, userId) {
      const id = uuidOf(`${seed} wallet ${wallets.size}`);
      const opened = { ...(currency && { currency }), ...(userId && { userId }) };
      append({ kind: { case: "walletCreated", value: {} }, wallet: { id } }, opened);
      return id;
    },
    fund(walletId, units) {
      const legs = [{ from: "external", to: walletId, units }];
      append({ kind: { case: "walletFunded", value: {} }, legs });
    },
    transfer(fromId, toId, units) {
      const legs = [{ from: fromId, to: toId, units }];
      append({ kind: { case: "transferCompleted", value: {} }, legs });
    },
    endSegment() {
      const last = messages.length - 1;
      const message = messages[last];
      if (message === undefined || hashes.length === 0) return;
      journalHash = segmentHash(journalHash, messages.length - hashes.length + 1, hashes);
      hashes = [];
      messages[last] = { ...message, journalHash };
    },
  };
}

function netOf(id: string, legs: readonly MadeLeg[]): bigint {
  const signed = legs.map(({ from, to, units }) => {
    return (to === id ? units : 0n) - (from === id ? units : 0n);
  });
  return signed.reduce((sum, units) => sum + units, 0n);
}

function changeMessage(
  walletId: string,
  before: MadeWallet | undefined,
  { userId, currency, version, units, held, status }: MadeWallet,
): NonNullable<EventInit["changes"]>[number] {
  return {
    walletId,
    userId,
    currency,
    version,
    balance: amountText(units),
    held: amountText(held),
    status,
    amount: amountText(units - (before?.units ?? 0n)),
    previousHead: before?.head ?? new Uint8Array(),
  };
}

function legMessage(
  { from, to, units }: MadeLeg,
  wallets: ReadonlyMap<string, MadeWallet>,
): NonNullable<EventInit["legs"]>[number] {
  const side = (id: string): NonNullable<NonNullable<EventInit["legs"]>[number]["from"]> => {
    return { side: { case: wallets.has(id) ? "walletId" : "account", value: id } };
  };
  const currency = (wallets.get(from) ?? wallets.get(to))?.currency ?? "USD";
  return { from: side(from), to: side(to), amount: amountText(units), currency };
}

/** The hash of a segment: of the one before it, of its first position and its events' hashes. */
export function segmentHash(
  before: Uint8Array,
  firstPosition: number,
  hashes: readonly Uint8Array[],
): Buffer {
  const first = Buffer.alloc(8);
  first.writeBigInt64BE(BigInt(firstPosition));
  return sha256(Buffer.concat([before, first, ...hashes]));
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
