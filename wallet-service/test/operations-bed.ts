import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import type { Side } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import postgres from "postgres";
import { type Calls, createWallet, startServiceBed } from "./test-service.ts";

/** One end of a movement, as a request says it. */
export type SideSent = Pick<Side, "side">;

/** Two replicas on one database, with a clock that the test sets. */
export interface OperationsBed extends AsyncDisposable {
  readonly here: Calls;
  readonly there: Calls;
  /** As the owner, to look at the tables. */
  readonly owner: postgres.Sql;
  /** What both replicas' clocks say, milliseconds since 1970. */
  nowMs(): number;
  /** Sets both clocks ahead. */
  advance(ms: number): void;
  /** Everything that a refusal must leave as it is, as one text. */
  everything(): Promise<string>;
  /** A new wallet with money in it; without when left out. */
  wallet(money?: string, currency?: string): Promise<string>;
  /** A new hold, an hour long unless said otherwise. */
  hold(walletId: string, amount: string, lengthMs?: number): Promise<string>;
}

const hourMs = 3_600_000;

/** Starts both replicas over gRPC. */
export async function startOperationsBed(): Promise<OperationsBed> {
  return await buildWithResources(async (resources) => {
    let aheadMs = 0;
    const nowMs = (): number => Date.now() + aheadMs;
    const one = resources.use(await startServiceBed({}, undefined, nowMs));
    const other = resources.use(await startServiceBed({}, one.database, nowMs));
    const owner = postgres(one.database.ownerUrl, { max: 2 });
    resources.use({ [Symbol.asyncDispose]: () => owner.end({ timeout: 1 }) });
    const here = one.grpc;
    return {
      here,
      there: other.grpc,
      owner,
      nowMs,
      advance(ms) {
        aheadMs += ms;
      },
      everything: () => everythingIn(owner),
      wallet: (money, currency) => createWallet(here, "alice", money, currency),
      async hold(walletId, amount, lengthMs = hourMs) {
        const expireTime = timestampFromMs(nowMs() + lengthMs);
        const { hold } = await here.placeHold({ walletId, amount, expireTime });
        return hold?.id ?? "";
      },
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/** A wallet as one end of a movement. */
export function ofWallet(walletId: string): SideSent {
  return { side: { case: "walletId", value: walletId } };
}

/** An account outside as one end of a movement. */
export function ofAccount(account: string): SideSent {
  return { side: { case: "account", value: account } };
}

/** The error of a call that must fail. */
export async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("The call was expected to fail.");
}

async function everythingIn(owner: postgres.Sql): Promise<string> {
  const rows = await owner<{ everything: string }[]>`
    select concat_ws(' | ',
      (select coalesce(sum(event_count), 0) from journal),
      (select string_agg(w::text, ' ' order by id) from wallets w),
      (select string_agg(h::text, ' ' order by id) from holds h),
      (select string_agg(s::text, ' ' order by wallet_id) from wallet_settings s),
      (select string_agg(r::text, ' ' order by transaction_id) from reversals r),
      (select string_agg(a::text, ' ' order by hash) from account_references a),
      (select string_agg(k::text, ' ' order by key) from request_keys k)) as everything`;
  return rows[0]?.everything ?? "";
}
