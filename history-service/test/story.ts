import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { HoldStatus, WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { amountText } from "../src/amount-units.ts";
import { createJournalMaker, type JournalMaker, startMs, uuidOf } from "./journal-maker.ts";

/** A journal with an event of every kind, and what stands in it. */
export interface Story {
  readonly journal: JournalMaker;
  readonly alice: string;
  readonly bob: string;
  readonly holdId: string;
  /** The transaction that was taken back in two parts, and both of these. */
  readonly split: string;
  readonly refunds: readonly [string, string];
}

/** Tells a story in 13 events: a funding, a hold and its end, a split with a fee and two refunds. */
export function tellStory(): Story {
  const journal = createJournalMaker("story");
  const alice = journal.createWallet();
  const bob = journal.createWallet();
  journal.append({
    kind: { case: "walletFunded", value: {} },
    legs: [{ from: "external", to: alice, units: 1_000_000n }],
    details: {
      reference: "payin 1",
      description: 'the "first" \\ one',
      metadata: { b: "2", a: "" },
    },
    actor: { issuer: "https://id.example", subject: "payin", client: "till" },
  });
  journal.endSegment();
  const holdId = uuidOf("story hold");
  journal.append({
    kind: { case: "holdPlaced", value: { hold: hold(holdId, alice, 0n) } },
    wallet: { id: alice, held: 600_000n },
  });
  journal.append({
    kind: { case: "transactionPosted", value: { hold: hold(holdId, alice, 200_000n) } },
    legs: [{ from: alice, to: bob, units: 200_000n }],
    wallet: { id: alice, held: -200_000n },
  });
  journal.append({
    kind: { case: "holdReleased", value: { hold: hold(holdId, alice, 200_000n) } },
    wallet: { id: alice, held: -400_000n },
  });
  journal.endSegment();
  const split = journal.append({
    kind: { case: "transactionPosted", value: {} },
    legs: [
      { from: alice, to: bob, units: 90_000n },
      { from: alice, to: "fees", units: 10_000n },
    ],
    details: { reference: "order 1" },
  });
  const refund = (amounts: readonly [bigint, bigint]): string => {
    const reversed = amounts.map((units, index) => ({ index, amount: amountText(units) }));
    const reversal = { transactionId: split, legs: reversed };
    const legs = [
      { from: bob, to: alice, units: amounts[0] },
      { from: "fees", to: alice, units: amounts[1] },
    ];
    return journal.append({ kind: { case: "transactionPosted", value: { reversal } }, legs });
  };
  const refunds = [refund([30_000n, 4_000n]), refund([60_000n, 6_000n])] as const;
  journal.append({
    kind: { case: "walletUpdated", value: { settings: { metadata: { tier: "gold" } } } },
    wallet: { id: alice },
  });
  journal.append({
    kind: { case: "transactionPosted", value: {} },
    legs: [{ from: alice, to: "bank", units: 50_000n }],
  });
  journal.transfer(alice, bob, 1_000n);
  journal.append({
    kind: { case: "walletStatusChanged", value: { reason: "left" } },
    legs: [{ from: bob, to: "external", units: 201_000n }],
    wallet: { id: bob, status: WalletStatus.CLOSED },
  });
  journal.endSegment();
  return { journal, alice, bob, holdId, split, refunds };
}

function hold(id: string, walletId: string, captured: bigint): object {
  return {
    id,
    walletId,
    currency: "USD",
    amount: amountText(600_000n),
    captured: amountText(captured),
    status: HoldStatus.OPEN,
    createTime: timestampFromMs(startMs),
    expireTime: timestampFromMs(startMs + 86_400_000),
  };
}
