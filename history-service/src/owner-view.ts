import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GetTransactionResponseSchema } from "@pelikuni/gen/history/v1/history_service_pb";
import type {
  Actor,
  Leg,
  ReversedLeg,
  Side,
  WalletChange,
  WalletEvent,
  WalletEventSchema,
} from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { storedUnits } from "./amount-units.ts";
import type { StoredEntry } from "./entry-store.ts";

/** A user who may read what is his own, and nothing of anybody else. */
export interface Owner {
  /** Whose wallets are his. */
  readonly userId: string;
  /** Who he is as an actor: what he asked for himself is no secret to him. */
  readonly issuer: string;
  readonly subject: string;
}

/** A transaction with what took it back, as history has it. */
export interface WholeTransaction {
  readonly position: bigint;
  readonly event: WalletEvent;
  readonly reversedBy: {
    readonly transactionId: string;
    readonly position: bigint;
    readonly legs: ReversedLeg[];
  }[];
}

type EventInit = Exclude<MessageInitShape<typeof WalletEventSchema>, { $typeName: string }>;

// All of them name what is shown, field by field: what a later release adds is hidden until somebody
// has thought about it. Heads are hidden because they are hashes of whole events: whoever knows the
// rest of one can find out the other side's balance by trying.

/**
 * An entry of an owner's wallet as he sees it.
 *
 * @throws Error for somebody else's entry, which must not have come so far
 */
export function entryOfOwner(entry: StoredEntry, owner: Owner): StoredEntry {
  if (entry.userId !== owner.userId) throw new Error("An owner was to see somebody else's entry.");
  const isHis = isBy(entry.actor, owner);
  return {
    walletId: entry.walletId,
    version: entry.version,
    position: entry.position,
    transactionId: entry.transactionId,
    occurredAt: entry.occurredAt,
    kind: entry.kind,
    amount: entry.amount,
    currency: entry.currency,
    balance: entry.balance,
    held: entry.held,
    status: entry.status,
    userId: entry.userId,
    requestId: isHis ? entry.requestId : "",
    details: entry.details,
    actor: isHis ? entry.actor : null,
    // A capture pays out of somebody's hold: whom it adds to, it is not his.
    holdId: storedUnits(entry.amount) > 0n ? null : entry.holdId,
    reversesTransactionId: entry.reversesTransactionId,
    head: new Uint8Array(),
  };
}

/**
 * A transaction between wallets of which some are an owner's, as he sees it.
 *
 * @param reversed the event that it takes back, if it is a reversal and touched a wallet of his
 */
export function transactionOfOwner(
  { position, event, reversedBy }: WholeTransaction,
  reversed: WalletEvent | undefined,
  owner: Owner,
): MessageInitShape<typeof GetTransactionResponseSchema> {
  return {
    position,
    event: eventOfOwner(event, reversed, owner),
    reversedBy: reversedBy.map((by) => ({
      transactionId: by.transactionId,
      position: by.position,
      legs: reversedLegsOf(by.legs, event, owner),
    })),
  };
}

function eventOfOwner(
  event: WalletEvent,
  reversed: WalletEvent | undefined,
  owner: Owner,
): EventInit {
  const { transactionId, occurredAt, requestId, details, actor } = event;
  const own = walletsOf(event, owner);
  return {
    transactionId,
    ...(occurredAt && { occurredAt }),
    legs: event.legs.filter((leg) => touches(leg, own)),
    changes: event.changes.filter(({ walletId }) => own.has(walletId)).map(changeOfOwner),
    kind: kindOfOwner(event, reversed, owner),
    ...(details && { details }),
    ...(actor && isBy(actor, owner) && { requestId, actor }),
  };
}

function changeOfOwner(change: WalletChange): NonNullable<EventInit["changes"]>[number] {
  const { walletId, userId, currency, version, balance, held, status, amount } = change;
  return { walletId, userId, currency, version, balance, held, status, amount };
}

/** What a kind of change says beside what all of them say. */
function kindOfOwner(
  event: WalletEvent,
  reversed: WalletEvent | undefined,
  owner: Owner,
): NonNullable<EventInit["kind"]> {
  const { kind, changes } = event;
  const own = walletsOf(event, owner);
  const isOnlyHis = changes.length === own.size;
  switch (kind.case) {
    case "transactionPosted": {
      const { hold, reversal, exchange } = kind.value;
      const value = {
        ...(hold && own.has(hold.walletId) && { hold }),
        ...(reversal && reversed && { reversal: reversalOf(reversal, reversed, owner) }),
        // It tells of the legs together.
        ...(exchange && isOnlyHis && { exchange }),
      };
      return { case: kind.case, value };
    }
    case "holdPlaced":
    case "holdReleased": {
      const { hold } = kind.value;
      return { case: kind.case, value: hold && own.has(hold.walletId) ? { hold } : {} };
    }
    case "walletStatusChanged":
      // Why a wallet is frozen is not for everybody to know, least of all for whom it is frozen.
      return { case: kind.case, value: isBy(event.actor, owner) ? kind.value : {} };
    case "walletUpdated":
      return { case: kind.case, value: isOnlyHis ? kind.value : {} };
    case "walletCreated":
    case "walletFunded":
    case "transferCompleted":
      return { case: kind.case, value: {} };
    default:
      return { case: undefined };
  }
}

function reversalOf(
  { transactionId, legs }: { readonly transactionId: string; readonly legs: ReversedLeg[] },
  reversed: WalletEvent,
  owner: Owner,
): { transactionId: string; legs: ReversedLeg[] } {
  return { transactionId, legs: reversedLegsOf(legs, reversed, owner) };
}

/** Of what is taken back of an event, that of legs that touch an owner's wallets. */
function reversedLegsOf(
  legs: readonly ReversedLeg[],
  reversed: WalletEvent,
  owner: Owner,
): ReversedLeg[] {
  const own = walletsOf(reversed, owner);
  return legs.filter(({ index }) => {
    const leg = reversed.legs[index];
    return leg !== undefined && touches(leg, own);
  });
}

/** The owner's wallets among those that an event changes. */
function walletsOf({ changes }: WalletEvent, { userId }: Owner): ReadonlySet<string> {
  const own = changes.filter((change) => change.userId === userId);
  return new Set(own.map(({ walletId }) => walletId));
}

function touches({ from, to }: Leg, wallets: ReadonlySet<string>): boolean {
  return [from, to].some((side) => isOneOf(side, wallets));
}

function isOneOf(side: Side | undefined, wallets: ReadonlySet<string>): boolean {
  return side?.side.case === "walletId" && wallets.has(side.side.value);
}

/** Whether a change was asked for by the owner himself. */
function isBy(
  actor: Pick<Actor, "issuer" | "subject"> | null | undefined,
  { issuer, subject }: Owner,
): boolean {
  return actor?.issuer === issuer && actor.subject === subject;
}
