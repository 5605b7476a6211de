import { expect, test } from "vitest";
import {
  accepted,
  amountOf,
  createEngineBed,
  listeningLogger,
  submit,
  untilBlocked,
  walletWith,
} from "./test-engine.ts";

test("the first reversals of two legs without a wallet in common, at once, are both remembered", async () => {
  await using bed = await createEngineBed();
  const { logger, messages } = listeningLogger();
  const [here, there] = [bed.replica(), bed.replica({ logger })];
  const [first, second] = [await walletWith(here, "5"), await walletWith(here, "5")];
  const [third, fourth] = [await walletWith(here, "5"), await walletWith(here, "5")];
  const amount = amountOf("2");
  const legs = [
    { from: { walletId: first }, to: { walletId: second }, amount },
    { from: { walletId: third }, to: { walletId: fourth }, amount },
  ];
  const { transactionId } = await accepted(here, { kind: "post", legs });
  const reverse = (index: number) => {
    return { kind: "reverseTransaction", transactionId, legs: [{ index, amount }] } as const;
  };
  // Whoever waits for the last lock of the commit has written everything else.
  const outcomes = await bed.owner.begin(async (sql) => {
    await sql`select pg_advisory_xact_lock(7001)`;
    const one = submit(here, reverse(0));
    await untilBlocked(bed, 1);
    const other = submit(there, reverse(1));
    await untilBlocked(bed, 2);
    return [one, other];
  });
  for (const outcome of await Promise.all(outcomes)) expect(outcome).toHaveProperty("answer");
  expect(messages).toContain("A group lost a race.");
  const [row] = await bed.owner<{ reversed: string; version: number }[]>`
    select array_to_string(reversed, ',') as reversed, version from reversals
    where transaction_id = ${transactionId}`;
  expect(row).toEqual({ reversed: "2.0000,2.0000", version: 2 });
  expect(await submit(here, reverse(1))).toMatchObject({ refusal: { reason: "ALREADY_REVERSED" } });
});
