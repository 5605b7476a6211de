import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { expect } from "vitest";
import { z } from "zod";
import { readWrittenState } from "../src/written-state.ts";
import {
  expectProblem,
  type RestAnswer,
  type RestService,
  type RestServiceOptions,
  startRestService,
  type WalletView,
} from "./rest-service.ts";

/** A request to a path. */
export interface Asked {
  readonly method?: "POST" | "PATCH" | "GET";
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A REST service with what tests of operations do again and again. */
export interface OperationBed extends RestService {
  /** Sends a request, a POST unless it says otherwise. */
  ask(asked: Asked): Promise<RestAnswer>;
  /** Sends a request and expects an answer of this status. */
  done(asked: Asked, status?: number): Promise<RestAnswer>;
  /** Sends a request, and expects that it is refused and that nothing at all has changed. */
  refused(asked: Asked, status: number, members: object): Promise<void>;
  /** Places a hold that ends in an hour unless told otherwise. */
  hold(wallet: WalletView, amount: string, expireTime?: string): Promise<HoldView>;
  /** Reads a wallet as it is. */
  read(wallet: { readonly id: string }): Promise<unknown>;
}

const holdSchema = z.looseObject({
  id: z.string(),
  status: z.string(),
  amount: z.string(),
  captured: z.string(),
  remaining: z.string(),
  expire_time: z.string(),
});

/** A hold as a client of REST sees it. */
export type HoldView = z.output<typeof holdSchema>;

const hourMs = 3_600_000;

/** Starts a service for tests of operations. */
export async function startOperationBed(options: RestServiceOptions = {}): Promise<OperationBed> {
  const rest = await startRestService(options);
  const owner = postgres(rest.ownerUrl, { max: 1 });
  const ask = async ({ method = "POST", path, body, headers = {} }: Asked): Promise<RestAnswer> =>
    await rest.send(method, path, body, headers);
  const done = async (asked: Asked, status = 200): Promise<RestAnswer> => {
    const answer = await ask(asked);
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([status, expect.any(String)]);
    return answer;
  };
  return {
    ...rest,
    ask,
    done,
    refused: async (asked, status, members) => {
      const before = await readWrittenState(owner);
      expectProblem(await ask(asked), status, members);
      expect(await readWrittenState(owner)).toEqual(before);
    },
    hold: async ({ id }, amount, expire_time = inMs(hourMs, options.now)) => {
      const path = `/wallets/${id}/holds`;
      return holdSchema.parse((await done({ path, body: { amount, expire_time } }, 201)).body);
    },
    read: async ({ id }) => (await rest.send("GET", `/wallets/${id}`)).body,
    [Symbol.asyncDispose]: async () => {
      await owner.end();
      await rest[Symbol.asyncDispose]();
    },
  };
}

/** An instant that is some time ahead. */
export function inMs(ms: number, now: () => number = Date.now): string {
  return new Date(now() + ms).toISOString();
}

/** The hold that an answer shows. */
export function holdOf({ body }: RestAnswer): HoldView {
  return holdSchema.parse(body);
}

/** The id of the transaction that an answer was. */
export function transactionOf({ headers }: RestAnswer): string {
  return z.uuid().parse(headers.get("transaction-id"));
}

/** Headers with a key of their own. */
export function keyed(): { "Idempotency-Key": string } {
  return { "Idempotency-Key": randomUUID() };
}
