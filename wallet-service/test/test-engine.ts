import path from "node:path";
import { createLogger } from "@pelikuni/runtime/logger";
import { migrate } from "@pelikuni/runtime/migrations";
import { buildWithResources, type ResourceStack } from "@pelikuni/runtime/resource-stack";
import type { Logger } from "pino";
import postgres from "postgres";
import { v7 } from "uuid";
import { expect } from "vitest";
import { createTestDatabase } from "../../e2e/src/test-database.ts";
import type { Request } from "../src/command-group.ts";
import type { Answer, CommandOutcome } from "../src/command-outcome.ts";
import { type Command, fund, type Rules } from "../src/decide/command.ts";
import { parseAmount } from "../src/money.ts";
import { requestKey } from "../src/request-key.ts";
import type { Details } from "../src/wallet.ts";
import { createWalletEngine, type WalletEngine } from "../src/wallet-engine.ts";
import { testRules } from "./test-rules.ts";

/** A migrated database of one test file's own, and engines on it. */
export interface EngineBed extends AsyncDisposable {
  /** As the owner, to look at the tables. */
  readonly owner: postgres.Sql<{ bigint: bigint }>;
  readonly serviceUrl: string;
  /** Another replica on the same database. */
  replica(options?: ReplicaOptions): WalletEngine;
}

/** In what a replica differs from the others. */
export interface ReplicaOptions {
  /** Another way to the same database. */
  readonly databaseUrl?: string;
  readonly now?: () => number;
  readonly cachedWalletsMax?: number;
  readonly logger?: Logger;
  readonly rules?: Rules;
}

export const quiet = createLogger("test", { level: "silent", format: "json" });

/** A logger whose messages can be looked at. */
export function listeningLogger(): { logger: Logger; messages: string[] } {
  const messages: string[] = [];
  const sink = { write: (line: string) => void messages.push(JSON.parse(line).msg) };
  return { logger: createLogger("test", { level: "debug", format: "json" }, sink), messages };
}

/** Makes a database and migrates it. */
export async function createEngineBed(): Promise<EngineBed> {
  return await buildWithResources(async (resources) => {
    const database = resources.use(await createTestDatabase());
    await migrate({
      url: database.ownerUrl,
      directory: path.resolve(import.meta.dirname, "../migrations"),
      logger: quiet,
      lockTimeoutMs: 10_000,
      serviceRole: new URL(database.serviceUrl).username,
    });
    const owner = postgres(database.ownerUrl, { max: 4, types: { bigint: postgres.BigInt } });
    resources.use({ [Symbol.asyncDispose]: () => owner.end({ timeout: 1 }) });
    return {
      owner,
      serviceUrl: database.serviceUrl,
      replica: (options = {}) => replica(database.serviceUrl, options, resources),
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

function replica(
  serviceUrl: string,
  options: ReplicaOptions,
  resources: ResourceStack,
): WalletEngine {
  return createWalletEngine(
    {
      database: { url: options.databaseUrl ?? serviceUrl },
      connectionsMax: 4,
      cachedWalletsMax: options.cachedWalletsMax ?? 10_000,
      queueLengthMax: 10_000,
      rules: options.rules ?? testRules,
      now: options.now ?? Date.now,
      logger: options.logger ?? quiet,
    },
    resources,
  );
}

/** A request with its key, as the RPC layer makes it. */
export function requestOf(command: Command, requestId = "", details?: Details): Request {
  const key = requestId === "" ? undefined : requestKey("", requestId, command, details);
  return { command, requestId, requestKey: key, details };
}

/** Submits one command; no deadline. */
export async function submit(
  engine: WalletEngine,
  command: Command,
  requestId = "",
): Promise<CommandOutcome> {
  const [outcome] = engine.groupCommit.submit([requestOf(command, requestId)], Infinity);
  if (outcome === undefined) throw new Error("Nothing was submitted.");
  return await outcome;
}

/** Submits one command that must be accepted. */
export async function accepted(
  engine: WalletEngine,
  command: Command,
  requestId = "",
): Promise<Answer> {
  const outcome = await submit(engine, command, requestId);
  if ("refusal" in outcome) throw new Error(`Refused: ${outcome.refusal.reason}`);
  return outcome.answer;
}

/** The creation of a wallet in USD. */
export function creationOf(walletId: string): Command {
  return { kind: "createWallet", walletId, userId: "alice", currency: "USD" };
}

/** Creates a wallet with money in it. */
export async function walletWith(engine: WalletEngine, money = "0"): Promise<string> {
  const walletId = v7();
  await accepted(engine, creationOf(walletId));
  if (money !== "0") await accepted(engine, fund(walletId, amountOf(money)));
  return walletId;
}

/** What a wallet's row says, with four decimals. */
export async function balanceOf(bed: EngineBed, walletId: string): Promise<string | undefined> {
  const rows = await bed.owner<{ balance: string }[]>`
    select balance from wallets where id = ${walletId}`;
  return rows[0]?.balance;
}

/** An amount that the test knows to be one. */
export function amountOf(text: string): NonNullable<ReturnType<typeof parseAmount>> {
  const amount = parseAmount(text);
  if (amount === undefined) throw new Error(`${text} is no amount.`);
  return amount;
}

/** Waits until so many sessions of this database wait for a lock. */
export async function untilBlocked(bed: EngineBed, count: number): Promise<void> {
  await expect
    .poll(async () => {
      const rows = await bed.owner<{ blocked: bigint }[]>`
        select count(distinct pid) as blocked from pg_locks join pg_stat_activity using (pid)
        where datname = current_database() and not granted`;
      return Number(rows[0]?.blocked);
    })
    .toBeGreaterThanOrEqual(count);
}
