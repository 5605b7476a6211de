import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createContextValues } from "@connectrpc/connect";
import { EventFormat } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { callerKey, openCaller } from "@pelikuni/runtime/access/caller";
import { readTestServers } from "@pelikuni/runtime/configuration";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { describe } from "vitest";
import { type HistoryBed, startHistoryBed } from "./history-bed.ts";

/** A line of an export: one event of the journal. */
export interface Exported {
  readonly position: number | null;
  readonly event: string;
  readonly journal_hash?: string;
}

/** What a program said, and its exit code. */
export interface Verdict {
  readonly code: number;
  readonly output: string;
}

/** A service whose journal is exported, and the example that verifies exports. */
export interface ExportBed extends AsyncDisposable {
  readonly history: HistoryBed;
  readonly journal: readonly Exported[];
  /** A directory for other files. */
  readonly directory: string;
  /** Writes an export, and lets the example verify it. */
  verify(lines: readonly Exported[], ...more: string[]): Promise<Verdict>;
}

const project = path.resolve(import.meta.dirname, "../..");

/** The example's program. */
export const verifier: string = path.join(project, "examples/verify-journal/verify_journal.py");

/** Describes tests that need Python; they are skipped without, and fail where nothing may be. */
export function describeWithPython(name: string, define: () => void): void {
  const missing = spawnSync("python3", ["--version"]).status !== 0;
  if (missing) {
    if (readTestServers().nothingSkipped) throw new Error("These tests need python3.");
    process.stdout.write(`Skipped: ${name}. There is no python3.\n`);
  }
  describe.skipIf(missing)(name, define);
}

/** Moves money in a new service, and exports its journal. */
export async function createExportBed(): Promise<ExportBed> {
  return await buildWithResources(async (resources) => {
    const history = resources.use(await startHistoryBed());
    const directory = await mkdtemp(path.join(tmpdir(), "pelikuni-test-"));
    resources.use({
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
    });
    await makeMovements(history);
    return {
      history,
      journal: await readJournal(history),
      directory,
      async verify(lines, ...more) {
        const file = path.join(directory, "journal.jsonl");
        await writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
        return await run("python3", [verifier, file, ...more]);
      },
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/** Exports a journal up to the end of its last segment. */
export async function readJournal(bed: HistoryBed): Promise<Exported[]> {
  const [row] = await bed.walletOwner<{ events: number }[]>`
    select sum(event_count)::int as events from journal`;
  const lines: Exported[] = [];
  const stream = bed.wallets.subscribeEvents({ format: EventFormat.BYTES });
  for await (const { position, content, journalHash } of stream) {
    if (content.case !== "eventBytes") throw new Error("The feed did not answer bytes.");
    const event = Buffer.from(content.value).toString("base64");
    const hash =
      journalHash.length === 0 ? {} : { journal_hash: Buffer.from(journalHash).toString("hex") };
    lines.push({ position: Number(position), event, ...hash });
    if (lines.length === row?.events) break;
  }
  return lines;
}

/** The bytes as a text, one character each, so that texts in them can be replaced. */
export function textOf(event: string): string {
  return Buffer.from(event, "base64").toString("latin1");
}

/** The hash of a line's segment, if it has one. */
export function hashOf({ journal_hash: hash }: Exported): { journal_hash?: string } {
  return hash === undefined ? {} : { journal_hash: hash };
}

/** One line of an export. */
export function take(lines: readonly Exported[], index: number): Exported {
  const line = lines[index];
  if (line === undefined) throw new Error(`The journal has no event ${index}.`);
  return line;
}

/** Runs a program in the project's directory. */
export async function run(command: string, args: string[]): Promise<Verdict> {
  return await new Promise((resolve) => {
    const child = execFile(command, args, { cwd: project }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr });
    });
  });
}

async function makeMovements({ wallets, walletsInside }: HistoryBed): Promise<void> {
  const create = async (userId: string, currency = "USD"): Promise<string> =>
    (await wallets.createWallet({ userId, currency })).wallet?.id ?? "";
  const [alice, bob, carol] = await Promise.all([create("alice"), create("bob"), create("carol")]);
  const euro = await create("erik", "EUR");
  await wallets.fundWallet({ walletId: euro, amount: "7.5" });
  await wallets.fundWallet({ walletId: alice, amount: "100", requestId: "first salary" });
  const till = { ...openCaller, issuer: "https://id.example", subject: "till", client: "shop" };
  const contextValues = createContextValues().set(callerKey, till);
  await walletsInside.fundWallet({ walletId: bob, amount: "60" }, { contextValues });
  const moves = [
    { fromWalletId: alice, toWalletId: bob, amount: "2.5" },
    { fromWalletId: bob, toWalletId: carol, amount: "2.5" },
    { fromWalletId: bob, toWalletId: alice, amount: "0.0001" },
  ];
  for (let round = 0; round < 3; round += 1) {
    // Calls at once share segments.
    await Promise.all([...moves, ...moves].map(async (move) => await wallets.transfer(move)));
  }
  await wallets.batchTransfer({ transfers: moves });
}
