import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { HoldStatus, WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import fc from "fast-check";
import { amountText } from "../src/amount-units.ts";
import {
  createJournalMaker,
  type JournalMaker,
  type MadeEvent,
  type MadeLeg,
  startMs,
  uuidOf,
} from "./journal-maker.ts";

/** A step of a story: what happens, between which wallets, and who asks for it. */
export interface Step {
  readonly what: (typeof happenings)[number];
  /** Places in the list of wallets. */
  readonly places: readonly number[];
  /** The owner of the first wallet; otherwise an operator. */
  readonly byOwner: boolean;
}

/** What happened to the wallets of several users. */
export interface OwnersStory {
  readonly journal: JournalMaker;
  readonly users: readonly string[];
  /** Each with its owner. */
  readonly wallets: ReadonlyMap<string, string>;
}

const happenings = ["transfer", "split", "fund", "capture", "refund", "freeze", "sweep"] as const;
const userCount = 3;
const walletsEach = 2;
const places = Array.from({ length: userCount * walletsEach }, (_, place) => place);

/** Who vouches for users and operators. */
export const issuer = "https://id.example";

/** The steps of a story. */
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    what: fc.constantFrom(...happenings),
    places: fc.shuffledSubarray(places, { minLength: 3, maxLength: 3 }),
    byOwner: fc.boolean(),
  }),
  { minLength: 20, maxLength: 40 },
);

/** Tells a story. No id, balance, amount or key in it is like another one by chance. */
export function tellOwnersStory(seed: string, all: readonly Step[]): OwnersStory {
  const journal = createJournalMaker(seed);
  const users = places.slice(0, userCount).map((number) => uuidOf(`${seed} user ${number}`));
  const wallets = new Map(
    places.map((place) => {
      const userId = users[place % userCount] ?? "";
      return [journal.createWallet("USD", userId), userId];
    }),
  );
  for (const id of wallets.keys()) {
    // More than all steps together take away.
    journal.fund(id, 1_000n * randomUnits(id));
  }
  const ids = [...wallets.keys()];
  let split: Split | undefined;
  for (const [index, { what, places, byOwner }] of all.entries()) {
    const [one = "", other = "", third = ""] = places.map((place) => ids[place]);
    const subject = (byOwner && wallets.get(one)) || uuidOf("operator");
    const name = `${seed} ${index}`;
    const told = eventsOf(what, { name, one, other, third, units: randomUnits(name), split });
    for (const event of told) {
      const transactionId = journal.append({
        ...event,
        actor: { issuer, subject, client: uuidOf(`client of ${subject}`) },
        requestId: uuidOf(`${seed} request ${journal.messages.length}`),
        details: { reference: `for both sides of ${index}` },
      });
      if (what === "split") split = { transactionId, one, other, third };
    }
  }
  journal.endSegment();
  return { journal, users, wallets };
}

/** Millions, the same for the same text. */
function randomUnits(text: string): bigint {
  return 1_000_000_000_000n + BigInt(Number.parseInt(uuidOf(text).slice(0, 8), 16));
}

interface Split {
  readonly transactionId: string;
  readonly one: string;
  readonly other: string;
  readonly third: string;
}

interface Parts extends Omit<Split, "transactionId"> {
  readonly name: string;
  readonly units: bigint;
  /** The latest one. */
  readonly split: Split | undefined;
}

function eventsOf(what: Step["what"], parts: Parts): MadeEvent[] {
  const { name, one, other, third, units, split } = parts;
  const toOther = { from: one, to: other, units };
  const legs = [toOther, { from: one, to: third, units: units - 1n }];
  switch (what) {
    case "transfer":
      return [{ kind: { case: "transferCompleted", value: {} }, legs: [toOther] }];
    case "split":
      return [posted({ exchange: { rate: "1.1", quoteId: uuidOf(`${name} quote`) } }, legs)];
    case "fund": {
      const legs = [{ from: "external", to: one, units }];
      return [{ kind: { case: "walletFunded", value: {} }, legs }];
    }
    case "capture": {
      const hold = holdOf(uuidOf(`${name} hold`), one, 3n * units);
      const placed = { id: one, held: 3n * units };
      const paid = { id: one, held: 1n - 2n * units };
      return [
        { kind: { case: "holdPlaced", value: { hold } }, wallet: placed },
        { ...posted({ hold }, legs), wallet: paid },
      ];
    }
    case "refund":
      return split === undefined ? [] : [refundOf(split, units)];
    default: {
      const kind = {
        case: "walletStatusChanged",
        value: { reason: uuidOf(`${name} reason`) },
      } as const;
      const wallet = { id: one, status: WalletStatus.FROZEN };
      return [{ kind, wallet, ...(what === "sweep" ? { legs: [toOther] } : {}) }];
    }
  }
}

function refundOf({ transactionId, one, other, third }: Split, units: bigint): MadeEvent {
  const reversed = [units, units - 1n].map((part, index) => ({ index, amount: amountText(part) }));
  const legs = [
    { from: other, to: one, units },
    { from: third, to: one, units: units - 1n },
  ];
  return posted({ reversal: { transactionId, legs: reversed } }, legs);
}

type Posted = Extract<MadeEvent["kind"], { case: "transactionPosted" }>["value"];

function posted(value: Posted, legs: readonly MadeLeg[]): MadeEvent {
  return { kind: { case: "transactionPosted", value }, legs };
}

function holdOf(id: string, walletId: string, units: bigint): object {
  const amount = amountText(units);
  const createTime = timestampFromMs(startMs);
  return { id, walletId, currency: "USD", amount, status: HoldStatus.OPEN, createTime };
}
