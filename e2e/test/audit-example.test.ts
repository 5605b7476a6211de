import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { EventFormat } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { readTestServers } from "@pelikuni/runtime/configuration";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type HistoryBed, startHistoryBed } from "../src/history-bed.ts";
import { tourOperations } from "../src/operations-tour.ts";

interface Exported {
  readonly position: number | null;
  readonly event: string;
  readonly journal_hash?: string;
}

const project = path.resolve(import.meta.dirname, "../..");
const program = path.join(project, "examples/verify-journal/verify_journal.py");
const pythonMissing = spawnSync("python3", ["--version"]).status !== 0;
if (pythonMissing) {
  if (readTestServers().nothingSkipped) throw new Error("These tests need python3.");
  process.stdout.write("Skipped: verifying an export. There is no python3.\n");
}

describe.skipIf(pythonMissing)("verifying an export of the journal", () => {
  let bed: HistoryBed;
  let directory: string;
  let journal: Exported[];

  beforeAll(async () => {
    bed = await startHistoryBed();
    directory = await mkdtemp(path.join(tmpdir(), "pelikuni-test-"));
    await makeMovements(bed);
    journal = await readJournal(bed);
  });
  afterAll(async () => {
    await bed[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  async function verify(
    lines: readonly Exported[],
    ...more: string[]
  ): Promise<{ code: number; output: string }> {
    const file = path.join(directory, "journal.jsonl");
    await writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return await run("python3", [program, file, ...more]);
  }

  test("a real journal fits, with totals and the last hash", async () => {
    const { code, output } = await verify(journal);
    const last = journal.at(-1);
    expect(output).toContain(`${journal.length} events in `);
    expect(output).toContain("USD: 160.0000 in wallets, -160.0000 outside");
    expect(output).toContain("EUR: 7.5000 in wallets, -7.5000 outside");
    expect(output).toContain(`Keep as the next anchor: ${last?.position} ${last?.journal_hash}`);
    expect(code).toBe(0);
    // Segments of several events are what makes the tampering below hard.
    expect(journal.filter((line) => line.journal_hash === undefined).length).toBeGreaterThan(3);
  });

  test("what buf curl prints fits as it is", async () => {
    const url = `http://127.0.0.1:${bed.walletGrpcPort}/pelikuni.wallet.v1.WalletService/SubscribeEvents`;
    const buf = `npx buf curl --http2-prior-knowledge --protocol grpc -d '{"format":"EVENT_FORMAT_BYTES"}'`;
    // The stream stays open for what comes; the program stops reading, and bash waits for it alone.
    const verifier = `python3 ${program} - --to ${journal.length}`;
    const stream = `timeout 60 ${buf} ${url} 2>/dev/null`;
    const { code, output } = await run("bash", ["-c", `${verifier} < <(${stream})`]);
    expect(output).toContain(`Everything fits: ${journal.length} events`);
    expect(code).toBe(0);
  });

  test("messages delivered twice change nothing", async () => {
    const { code, output } = await verify(journal.flatMap((line) => [line, line]));
    expect(output).toContain(`${journal.length} events in `);
    expect(code).toBe(0);
  });

  test("what is no event is set aside and counted, wherever it claims to be", async () => {
    const [first] = journal;
    if (first === undefined) throw new Error("The journal is empty.");
    const poison: Exported[] = [
      { position: 7, event: base64("poison") },
      { position: 7, event: "" },
      // A message of another kind: all of its fields are unknown.
      { position: 7, event: Buffer.from("f206026869", "hex").toString("base64") },
      { ...first, position: null },
      { ...first, journal_hash: `${"0".repeat(64)}zz` },
    ];
    for (const [index, message] of poison.entries()) {
      const { code, output } = await verify(journal.toSpliced(index * 2, 0, message));
      expect(output).toContain("Set aside: 1 message that is no event of the journal");
      expect(output).toContain(`Everything fits: ${journal.length} events`);
      expect(code).toBe(0);
    }
    const { code, output } = await verify([...poison, ...journal]);
    expect(output).toContain("Set aside: 5 messages that are no event of the journal (first: pos");
    expect(code).toBe(0);
  });

  test("what is no event does not stand in for one", async () => {
    const { code, output } = await verify(
      journal.with(4, { position: 5, event: base64("poison"), ...hashOf(take(journal, 4)) }),
    );
    expect(output).toContain("position 5 comes next; it is missing");
    expect(output).toContain("Set aside: 1 message");
    expect(code).toBe(1);
  });

  test("a field of another type makes it no event: nothing is allocated, nothing breaks", async () => {
    // Each field of a change as a number, and a number as a text: previous_head is three billion.
    const changes = ["4880bcc1960b", "0801", "2801", "220131"].map((hex) =>
      Buffer.from(hex, "hex"),
    );
    for (const change of changes) {
      const event = Buffer.concat([Buffer.from([0x0a, 1, 0x74, 0x2a, change.length]), change]);
      const message = { position: 3, event: event.toString("base64") };
      const { code, output } = await verify(journal.toSpliced(3, 0, message));
      expect(output).toContain("Set aside: 1 message that is no event of the journal");
      expect(output).toContain("is of another type");
      expect(code).toBe(0);
    }
  });

  test("what is no export is told in one line", async () => {
    const file = path.join(directory, "none.jsonl");
    const nested = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    for (const text of ["\xff\xfe}", '{"position":1}', "[1]", nested, '{"position":"\\ud800"}']) {
      await writeFile(file, text, "latin1");
      const { code, output } = await run("python3", [program, file]);
      expect(output).toMatch(/^DOES NOT FIT: .*\n$/);
      expect(code).toBe(1);
    }
    expect((await run("python3", [program, path.join(directory, "nowhere")])).code).toBe(2);
  });

  test("an export without events does not fit", async () => {
    for (const lines of [[], [{ position: 1, event: base64("poison") }]]) {
      const { code, output } = await verify(lines);
      expect(output).toMatch(/^DOES NOT FIT: the export has no events$/m);
      expect(code).toBe(1);
    }
  });

  test("an amount is written in one way only", async () => {
    const index = journal.findIndex(({ event }) => textOf(event).includes("first salary"));
    const forged = textOf(take(journal, index).event).replaceAll("100.0000", "010.0000");
    const event = Buffer.from(forged, "latin1").toString("base64");
    const { output } = await verify(journal.with(index, { ...take(journal, index), event }));
    expect(output).toContain('"010.0000" is no amount with four decimals');
  });

  test("a changed amount is found at each event that has one", async () => {
    let changed = 0;
    for (const [index, line] of journal.entries()) {
      const bytes = Buffer.from(line.event, "base64");
      const at = bytes.indexOf("2.5000");
      if (at < 0) continue;
      changed += 1;
      bytes.write("2.6000", at);
      const tampered = journal.with(index, { ...line, event: bytes.toString("base64") });
      const { code, output } = await verify(tampered);
      expect(output).toMatch(new RegExp(`DOES NOT FIT: position ${line.position}: `));
      expect(code).toBe(1);
    }
    expect(changed).toBeGreaterThan(10);
  });

  test("a changed amount is found where all texts of the event agree with it", async () => {
    const index = journal.findIndex(({ event }) => textOf(event).includes("first salary"));
    const line = take(journal, index);
    const forged = textOf(line.event).replaceAll("100.0000", "900.0000");
    const event = Buffer.from(forged, "latin1").toString("base64");
    const { code, output } = await verify(journal.with(index, { ...line, event }));
    expect(output).toMatch(/DOES NOT FIT: position \d+: .*(journal hash|SHA-256)/);
    expect(code).toBe(1);
  });

  test("an event removed from the middle is found, with and without closing the gap", async () => {
    const index = Math.floor(journal.length / 2);
    const { position } = take(journal, index);
    const gap = journal.toSpliced(index, 1);
    expect(await verify(gap)).toMatchObject({
      code: 1,
      output: expect.stringContaining(`position ${position} comes next; it is missing`),
    });
    const closed = gap.map((line, at) => ({ ...line, position: at + 1 }));
    const { code, output } = await verify(closed);
    expect(output).toMatch(/DOES NOT FIT: position \d+: /);
    expect(code).toBe(1);
  });

  test("an event removed at the end is found, with its hash and without", async () => {
    const cut = journal.slice(0, -1);
    const last = take(journal, journal.length - 1);
    expect(await verify(cut)).toMatchObject({
      code: 1,
      output: expect.stringContaining("the export ends inside a segment"),
    });
    const moved = cut.with(-1, { ...take(cut, cut.length - 1), ...hashOf(last) });
    expect(await verify(moved)).toMatchObject({
      code: 1,
      output: expect.stringContaining(`position ${moved.length}: the journal hash of positions`),
    });
  });

  test("whole segments removed at the end are found by an anchor, and by nothing else", async () => {
    const { position, journal_hash: hash = "" } = take(journal, journal.length - 1);
    const anchor = ["--anchor", String(position), hash];
    expect((await verify(journal, ...anchor)).code).toBe(0);
    const end = journal.slice(0, -1).findLastIndex((line) => line.journal_hash !== undefined);
    const cut = journal.slice(0, end + 1);
    expect((await verify(cut)).code).toBe(0);
    expect(await verify(cut, "--to", String(position))).toMatchObject({
      code: 1,
      output: expect.stringContaining(`position ${position} is not in the export`),
    });
    expect(await verify(cut, ...anchor)).toMatchObject({
      code: 1,
      output: expect.stringContaining("cut off"),
    });
    const other = hash.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
    expect(await verify(journal, "--anchor", String(position), other)).toMatchObject({
      code: 1,
      output: expect.stringContaining("not the one of the anchor"),
    });
  });

  test("two events in each other's place are found, also with the positions of the places", async () => {
    for (let index = 0; index + 1 < journal.length; index += 7) {
      const [first, second] = [take(journal, index), take(journal, index + 1)];
      const swapped = journal.with(index, second).with(index + 1, first);
      expect((await verify(swapped)).output).toMatch(/^DOES NOT FIT: position \d+: /);
      const renamed = journal
        .with(index, { ...first, event: second.event })
        .with(index + 1, { ...second, event: first.event });
      const { code, output } = await verify(renamed);
      expect(output).toMatch(/^DOES NOT FIT: position \d+: /);
      expect(code).toBe(1);
    }
  });

  test("a changed hash is found where it stands", async () => {
    const index = journal.findIndex((line) => line.journal_hash !== undefined);
    const line = take(journal, index);
    const hash = "00".repeat(32);
    expect(await verify(journal.with(index, { ...line, journal_hash: hash }))).toMatchObject({
      code: 1,
      output: expect.stringContaining(`position ${line.position}: the journal hash of positions`),
    });
  });

  test("a journal with every kind of event fits; held money that is not there is found", async () => {
    await using own = await startHistoryBed();
    const tour = await tourOperations(own.wallets);
    const lines = await readJournal(own);
    const { code, output } = await verify(lines);
    expect(output).toMatch(/^Everything fits: \d+ events in \d+ segments,/);
    expect(code).toBe(0);
    const [, inWallets, outside] =
      /USD: ([0-9.]+) in wallets, -([0-9.]+) outside/.exec(output) ?? [];
    expect(inWallets).toBe(outside);
    const index = Number(tour.placed) - 1;
    const line = take(lines, index);
    // The change's field of held, and its length: the hold's own amounts stay.
    const forged = textOf(line.event).replace("2\x0760.0000", "2\x07-0.0001");
    const event = Buffer.from(forged, "latin1").toString("base64");
    const found = await verify(lines.with(index, { ...line, event }));
    expect(found.output).toContain(`DOES NOT FIT: position ${line.position}: wallet`);
    expect(found.output).toContain("more is held at version");
    expect(found.code).toBe(1);
  });

  test("an export cut within a line is found", async () => {
    const file = path.join(directory, "cut.jsonl");
    const text = journal.map((line) => `${JSON.stringify(line)}\n`).join("");
    await writeFile(file, text.slice(0, -20));
    const { code, output } = await run("python3", [program, file]);
    expect(output).toContain("not a JSON object");
    expect(code).toBe(1);
  });
});

async function makeMovements({ wallets }: HistoryBed): Promise<void> {
  const create = async (userId: string, currency = "USD"): Promise<string> =>
    (await wallets.createWallet({ userId, currency })).wallet?.id ?? "";
  const [alice, bob, carol] = await Promise.all([create("alice"), create("bob"), create("carol")]);
  const euro = await create("erik", "EUR");
  await wallets.fundWallet({ walletId: euro, amount: "7.5" });
  await wallets.fundWallet({ walletId: alice, amount: "100", requestId: "first salary" });
  await wallets.fundWallet({ walletId: bob, amount: "60" });
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

/** Reads up to the end of the last segment. */
async function readJournal(bed: HistoryBed): Promise<Exported[]> {
  const [row] = await bed.walletOwner<{ events: number }[]>`
    select sum(event_count)::int as events from journal`;
  const lines: Exported[] = [];
  const stream = bed.wallets.subscribeEvents({ format: EventFormat.BYTES });
  for await (const { position, content, journalHash } of stream) {
    if (content.case !== "eventBytes") throw new Error("The feed did not answer bytes.");
    const event = Buffer.from(content.value).toString("base64");
    const hash = journalHash.length === 0 ? {} : { journal_hash: toHex(journalHash) };
    lines.push({ position: Number(position), event, ...hash });
    if (lines.length === row?.events) break;
  }
  return lines;
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** The bytes as a text, one character each, so that texts in them can be replaced. */
function textOf(event: string): string {
  return Buffer.from(event, "base64").toString("latin1");
}

function hashOf({ journal_hash: hash }: Exported): { journal_hash?: string } {
  return hash === undefined ? {} : { journal_hash: hash };
}

function take(lines: readonly Exported[], index: number): Exported {
  const line = lines[index];
  if (line === undefined) throw new Error(`The journal has no event ${index}.`);
  return line;
}

async function run(command: string, args: string[]): Promise<{ code: number; output: string }> {
  return await new Promise((resolve) => {
    const child = execFile(command, args, { cwd: project }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr });
    });
  });
}
