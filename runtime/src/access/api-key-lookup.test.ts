import { expect, test } from "vitest";
import {
  type ApiKeyLookup,
  apiKeyHash,
  apiKeyKeptMs,
  createApiKeyLookup,
  type ValidApiKey,
} from "./api-key-lookup.ts";

const startMs = 1_000_000;
const secret = "pelikuni_first";
const key = { id: "1", owner: "shop", scopes: ["wallets:read"], expireTimeMs: undefined };
const caller = { issuer: "api-key", subject: "shop", client: "1", isUser: false };

/** A lookup over stored keys, with a clock that stands still until a test moves it. */
interface Bed {
  readonly lookup: ApiKeyLookup;
  readonly stored: Map<string, ValidApiKey>;
  /** How many keys each reading was for. */
  readonly readings: number[];
  nowMs: number;
  /** What a reading waits for before it answers what it has read. */
  beforeAnswer: Promise<void>;
}

function createBed(keys: readonly [string, ValidApiKey][] = [[secret, key]]): Bed {
  const stored = new Map(keys.map(([each, stored]) => [apiKeyHash(each), stored]));
  const bed: Bed = {
    stored,
    readings: [],
    nowMs: startMs,
    beforeAnswer: Promise.resolve(),
    lookup: createApiKeyLookup({
      read: async (hashes) => {
        bed.readings.push(hashes.length);
        const found = new Map([...stored].filter(([hash]) => hashes.includes(hash)));
        await bed.beforeAnswer;
        return found;
      },
      now: () => bed.nowMs,
    }),
  };
  return bed;
}

test("a key is read once in its time, and whoever has it may do what its scopes say", async () => {
  const bed = createBed();
  const found = await Promise.all([bed.lookup.find(secret), bed.lookup.find(secret)]);
  expect(found).toEqual([expect.objectContaining(caller), expect.objectContaining(caller)]);
  expect(found[0]?.scopes.has("wallets:read")).toBe(true);
  expect(found[0]?.scopes.has("wallets:write")).toBe(false);
  bed.nowMs += apiKeyKeptMs - 1;
  await bed.lookup.find(secret);
  expect(bed.readings).toEqual([1]);
  bed.nowMs += 1;
  await bed.lookup.find(secret);
  expect(bed.readings).toEqual([1, 1]);
});

test("a key revoked elsewhere is refused once its time is over, also when the clock is set back", async () => {
  const bed = createBed();
  await bed.lookup.find(secret);
  bed.stored.clear();
  expect(await bed.lookup.find(secret)).toBeDefined();
  bed.nowMs += apiKeyKeptMs;
  expect(await bed.lookup.find(secret)).toBeUndefined();

  const setBack = createBed();
  await setBack.lookup.find(secret);
  setBack.stored.clear();
  setBack.nowMs -= 1;
  expect(await setBack.lookup.find(secret)).toBeUndefined();
});

test("a key revoked here is refused at once, also when it was being read at that moment", async () => {
  const bed = createBed();
  await bed.lookup.find(secret);
  bed.stored.clear();
  bed.lookup.forget(apiKeyHash(secret));
  expect(await bed.lookup.find(secret)).toBeUndefined();

  const race = createBed();
  let answer = (): void => undefined;
  race.beforeAnswer = new Promise((resolve) => {
    answer = resolve;
  });
  const under = race.lookup.find(secret);
  await expect.poll(() => race.readings.length).toBe(1);
  race.stored.clear();
  race.lookup.forget(apiKeyHash(secret));
  answer();
  expect(await under).toBeDefined();
  expect(await race.lookup.find(secret)).toBeUndefined();
});

test("a key is refused from its expiry on, though it is kept", async () => {
  const bed = createBed([[secret, { ...key, expireTimeMs: startMs + 10 }]]);
  expect(await bed.lookup.find(secret)).toBeDefined();
  bed.nowMs += 10;
  expect(await bed.lookup.find(secret)).toBeUndefined();
  expect(bed.readings).toEqual([1]);
});

test("made-up keys are read many at a time and cannot push out those that are valid", async () => {
  const bed = createBed();
  await bed.lookup.find(secret);
  const madeUp = Array.from({ length: 30_000 }, (_, index) => `pelikuni_${index}`);
  const found = await Promise.all(madeUp.map((each) => bed.lookup.find(each)));
  expect(found.every((each) => each === undefined)).toBe(true);
  expect(bed.readings.length).toBeLessThan(40);
  const before = bed.readings.length;
  expect(await bed.lookup.find(secret)).toBeDefined();
  expect(await bed.lookup.find("pelikuni_29999")).toBeUndefined();
  expect(bed.readings).toHaveLength(before);
});

test("while keys cannot be read, those known within their time go on, and others are no refusal", async () => {
  const bed = createBed();
  await bed.lookup.find(secret);
  bed.beforeAnswer = Promise.reject(new Error("away"));
  bed.beforeAnswer.catch(() => undefined);
  expect(await bed.lookup.find(secret)).toBeDefined();
  await expect(bed.lookup.find("pelikuni_second")).rejects.toThrow("away");
  bed.nowMs += apiKeyKeptMs;
  await expect(bed.lookup.find(secret)).rejects.toThrow("away");
  bed.beforeAnswer = Promise.resolve();
  expect(await bed.lookup.find(secret)).toBeDefined();
});
