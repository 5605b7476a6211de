import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type WalletEvent, WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { PositionInDoubt } from "../src/event-disputes.ts";
import { IngestionStopped } from "../src/event-store.ts";
import type { ArrivedMessage } from "../src/parked-event-store.ts";
import { createJournalMaker, uuidOf } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed } from "./test-history.ts";

// Positions 1 and 2 create the wallets, 3 funds the first one, 4 to 15 move money to the second one.
let bed: HistoryBed;
let messages: readonly ArrivedMessage[];
beforeAll(async () => {
  bed = await createHistoryBed();
  const journal = createJournalMaker("disputes");
  const [one, two] = [journal.createWallet(), journal.createWallet()];
  journal.fund(one, 1_000_000n);
  journal.endSegment();
  for (let count = 0; count < 12; count += 1) journal.transfer(one, two, 10_000n);
  journal.endSegment();
  messages = journal.messages;
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await bed.clear();
  bed.logged.length = 0;
});

function at(position: number): ArrivedMessage {
  const message = messages[position - 1];
  if (message === undefined) throw new Error(`Nothing was made at ${position}.`);
  return message;
}

const origin = { topic: "wallet-events", partition: 1, offset: 99n };

/** A message with the event at a position, changed. */
function forged(position: number, change: (event: WalletEvent) => void): ArrivedMessage {
  const event = fromBinary(WalletEventSchema, at(position).bytes);
  event.transactionId = uuidOf("forged");
  change(event);
  return { ...at(position), bytes: toBinary(WalletEventSchema, event), origin };
}

/** A message that fits by itself, and is not the journal's. */
function otherAt(position: number): ArrivedMessage {
  return forged(position, (event) => {
    event.requestId = "forged";
  });
}

function confirmed(message: ArrivedMessage): ArrivedMessage {
  return { ...message, confirmed: true };
}

const misfits: Record<string, (event: WalletEvent) => void> = {
  "another head before": ({ changes }) => {
    for (const change of changes) change.previousHead = new Uint8Array(32);
  },
  "a balance that does not follow": ({ changes }) => {
    const [change] = changes;
    if (change) change.balance = "1000000.0000";
  },
  "a version that comes later": ({ changes }) => {
    for (const change of changes) change.version += 1n;
  },
  "a version that is known": ({ changes }) => {
    for (const change of changes) change.version -= 1n;
  },
  "another currency": ({ legs, changes }) => {
    for (const part of [...legs, ...changes]) part.currency = "EUR";
  },
  "another owner": ({ changes }) => {
    for (const change of changes) change.userId = "somebody else";
  },
};

test.for(Object.keys(misfits))(
  "an event of the topic with %s is parked, whether it comes at its time or early, and the true one gets in",
  async (name) => {
    const misfit = forged(5, misfits[name] ?? (() => undefined));
    await bed.ingestion.ingest([...messages.slice(0, 4), misfit]);
    expect(await bed.completeness()).toMatchObject({ completeTo: 4n, parkedCount: 1n });
    await bed.ingestion.ingest(messages);
    expect(await bed.completeness()).toMatchObject({ completeTo: 15n, stoppedReason: "" });

    await bed.clear();
    await bed.ingestion.ingest([misfit]);
    expect(await bed.completeness()).toMatchObject({ parkedCount: 0n, highestPosition: 5n });
    await bed.ingestion.ingest(messages.slice(0, 4));
    expect(await bed.completeness()).toMatchObject({ completeTo: 4n, parkedCount: 1n });
    await bed.ingestion.ingest(messages.slice(4));
    expect(await bed.completeness()).toMatchObject({ completeTo: 15n, highestPosition: 15n });
  },
);

test("the same event twice at different positions: the later one is parked, its neighbours get in", async () => {
  const repeated = { ...at(2), position: 3n, origin };
  await bed.ingestion.ingest([at(1), at(2), repeated]);
  expect(await bed.completeness()).toMatchObject({ completeTo: 2n, parkedCount: 1n });
  await bed.ingestion.ingest(messages);
  expect(await bed.completeness()).toMatchObject({ completeTo: 15n });
});

test("one forged message far ahead does not stop what comes before it", async () => {
  await bed.ingestion.ingest([...messages.slice(0, 4), { ...otherAt(5), position: 10n ** 15n }]);
  await bed.ingestion.ingest(messages);
  const missing = [{ first: 16n, last: 10n ** 15n - 1n }];
  expect(await bed.completeness()).toMatchObject({ completeTo: 15n, missing, stoppedReason: "" });
});

test("a position that the journal has not nearly reached is parked when the wallet-service can be asked", async () => {
  bed.feed.messages = messages;
  await bed.ingestion.ingest([...messages, { ...otherAt(5), position: 10n ** 15n }]);
  expect(await bed.completeness()).toMatchObject({
    completeTo: 15n,
    highestPosition: 15n,
    parkedCount: 1n,
  });
});

const contradictions: Record<string, () => ArrivedMessage> = {
  "other bytes at a known position": () => otherAt(7),
  "another hash of a known segment": () => ({ ...at(3), journalHash: Buffer.alloc(32), origin }),
  "a hash where no segment ends": () => ({ ...at(5), journalHash: Buffer.alloc(32), origin }),
};

test.for(Object.keys(contradictions))(
  "%s: parked when the wallet-service confirms what is stored",
  async (name) => {
    bed.feed.messages = messages;
    await bed.ingestion.ingest(messages.slice(0, 13));
    const message = contradictions[name]?.() ?? at(1);
    await bed.ingestion.ingest([message, at(14)]);
    expect(await bed.completeness()).toMatchObject({
      completeTo: 14n,
      parkedCount: 1n,
      stoppedReason: "",
    });
    expect(await bed.owner`select * from late_journal_hashes`).toHaveLength(0);
  },
);

test.for(Object.keys(contradictions))(
  "%s: ingestion stops when the wallet-service cannot be asked, in every replica and after a restart",
  async (name) => {
    await bed.ingestion.ingest(messages.slice(0, 13));
    const message = contradictions[name]?.() ?? at(1);
    await expect(bed.ingestion.ingest([message, at(14)])).rejects.toThrow(IngestionStopped);
    expect(bed.logged.join()).toContain("fatal: HISTORY HAS FORKED");
    const { stoppedReason } = await bed.completeness();
    expect(stoppedReason).toMatch(
      /^History has forked: position \d+ arrived .* could not be asked/,
    );
    await expect(bed.replica().resume()).rejects.toThrow(stoppedReason);
    await expect(bed.replica().ingest([at(14)])).rejects.toThrow(IngestionStopped);
    await expect(bed.ingestion.ingest([at(14)])).rejects.toThrow(IngestionStopped);
    expect(await bed.completeness()).toMatchObject({ completeTo: 13n });
  },
);

test("ingestion stops when the wallet-service confirms what contradicts history", async () => {
  await bed.ingestion.ingest([...messages.slice(0, 4), otherAt(5)]);
  bed.feed.messages = messages;
  await expect(bed.ingestion.ingest([at(5)])).rejects.toThrow(/^History has forked: position 5/);
});

test("ingestion stops when the feed itself contradicts history", async () => {
  await bed.ingestion.ingest(messages.slice(0, 5));
  await expect(bed.ingestion.ingest([confirmed(otherAt(5))])).rejects.toThrow(IngestionStopped);
  expect(bed.feed.subscriptions).toBe(0);
});

test("ingestion stops when the feed goes on with what does not follow from history", async () => {
  await bed.ingestion.ingest([...messages.slice(0, 4), otherAt(5)]);
  const going = bed.ingestion.ingest([confirmed(at(6))]);
  await expect(going).rejects.toThrow(/position 6 arrived .* from the wallet-service: version/);
});

test("a stop that could not be noted is noted with the next batch, and nothing gets in between", async () => {
  await bed.ingestion.ingest(messages.slice(0, 5));
  await bed.owner`alter function stop_ingestion rename to stop_ingestion_away`;
  const fork = confirmed(otherAt(5));
  await expect(bed.ingestion.ingest([fork])).rejects.toThrow("does not exist");
  await bed.owner`alter function stop_ingestion_away rename to stop_ingestion`;
  expect(await bed.completeness()).toMatchObject({ stoppedReason: "" });
  await expect(bed.ingestion.ingest([at(6)])).rejects.toThrow(IngestionStopped);
  const { completeTo, stoppedReason } = await bed.completeness();
  expect([completeTo, stoppedReason]).toEqual([5n, expect.stringContaining("position 5")]);
});

test("two messages for one position: the wallet-service decides before either is shown", async () => {
  await expect(bed.ingestion.ingest([...messages.slice(0, 4), otherAt(5), at(5)])).rejects.toThrow(
    PositionInDoubt,
  );
  expect(await bed.completeness()).toMatchObject({ completeTo: 4n, stoppedReason: "" });
  await expect(bed.replica().resume()).rejects.toThrow(PositionInDoubt);
  bed.feed.messages = messages;
  await bed.replica().ingest([at(6)]);
  expect(await bed.completeness()).toMatchObject({ completeTo: 6n, parkedCount: 1n });
  await bed.ingestion.ingest(messages);
  expect(await bed.completeness()).toMatchObject({ completeTo: 15n, stoppedReason: "" });
});

test("when neither of two messages is the journal's, both are parked and the true one is taken", async () => {
  bed.feed.messages = messages;
  const another = forged(5, (event) => {
    event.requestId = "another";
  });
  const elsewhere = { ...another, origin: { ...origin, offset: 100n } };
  await bed.ingestion.ingest([...messages.slice(0, 4), otherAt(5), elsewhere]);
  expect(await bed.completeness()).toMatchObject({ completeTo: 5n, parkedCount: 2n });
  await bed.ingestion.ingest(messages);
  expect(await bed.completeness()).toMatchObject({ completeTo: 15n, parkedCount: 2n });
});

test("an early forgery and the true event in its batch: the forgery is parked before anything is shown", async () => {
  bed.feed.messages = messages;
  await bed.ingestion.ingest([otherAt(5)]);
  await bed.ingestion.ingest(messages);
  expect(await bed.completeness()).toMatchObject({ completeTo: 15n, parkedCount: 1n });
  const rows = await bed.owner`select 1 from entries where request_id = 'forged'`;
  expect(rows).toHaveLength(0);
});

test("a segment's hash that comes late is kept, once the wallet-service confirms it", async () => {
  bed.feed.messages = messages;
  const stripped = messages.map((message) => ({ ...message, journalHash: undefined }));
  await bed.ingestion.ingest(stripped);
  await bed.ingestion.ingest(messages);
  await bed.ingestion.ingest(messages);
  const rows = await bed.owner<{ position: bigint; hash: Buffer }[]>`
    select position, journal_hash as hash from journal_events
    where journal_hash is not null order by position`;
  expect(rows.map(({ position, hash }) => [position, hash])).toEqual([
    [3n, at(3).journalHash],
    [15n, at(15).journalHash],
  ]);
  expect(await bed.completeness()).toMatchObject({ parkedCount: 0n, stoppedReason: "" });
});

test("a repeat that leaves out its segment's hash is a repeat, and nobody is asked", async () => {
  await bed.ingestion.ingest(messages);
  await bed.ingestion.ingest(messages.map((message) => ({ ...message, journalHash: undefined })));
  expect(await bed.completeness()).toMatchObject({ parkedCount: 0n, stoppedReason: "" });
  expect(bed.feed.subscriptions).toBe(0);
});

test("replicas that bring the same early events in opposite orders do not deadlock", async () => {
  const early = messages.slice(1);
  const replicas = [bed.replica(), bed.replica(), bed.replica()];
  for (let round = 0; round < 20; round += 1) {
    await bed.owner`delete from waiting_events`;
    await Promise.all(
      replicas.map((replica, index) =>
        replica.ingest(index % 2 === 0 ? early : early.toReversed()),
      ),
    );
  }
  expect(await bed.completeness()).toMatchObject({ completeTo: 0n, highestPosition: 15n });
});
