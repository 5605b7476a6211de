import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createExportBed,
  describeWithPython,
  type ExportBed,
  type Exported,
  hashOf,
  readJournal,
  run,
  take,
  textOf,
  verifier,
} from "../src/exported-journal.ts";
import { startHistoryBed } from "../src/history-bed.ts";
import { tourOperations } from "../src/operations-tour.ts";

describeWithPython("verifying an export of the journal", () => {
  let bed: ExportBed;
  let journal: readonly Exported[];
  beforeAll(async () => {
    bed = await createExportBed();
    journal = bed.journal;
  });
  afterAll(async () => {
    await bed[Symbol.asyncDispose]();
  });

  test("a real journal fits, with totals and the last hash", async () => {
    const { code, output } = await bed.verify(journal);
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
    const url = `http://127.0.0.1:${bed.history.walletGrpcPort}/pelikuni.wallet.v1.WalletService/SubscribeEvents`;
    const buf = `npx buf curl --http2-prior-knowledge --protocol grpc -d '{"format":"EVENT_FORMAT_BYTES"}'`;
    // The stream stays open for what comes; the program stops reading, and bash waits for it alone.
    const reader = `python3 ${verifier} - --to ${journal.length}`;
    const stream = `timeout 60 ${buf} ${url} 2>/dev/null`;
    const { code, output } = await run("bash", ["-c", `${reader} < <(${stream})`]);
    expect(output).toContain(`Everything fits: ${journal.length} events`);
    expect(code).toBe(0);
  });

  test("messages delivered twice change nothing", async () => {
    const { code, output } = await bed.verify(journal.flatMap((line) => [line, line]));
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
      const { code, output } = await bed.verify(journal.toSpliced(index * 2, 0, message));
      expect(output).toContain("Set aside: 1 message that is no event of the journal");
      expect(output).toContain(`Everything fits: ${journal.length} events`);
      expect(code).toBe(0);
    }
    const { code, output } = await bed.verify([...poison, ...journal]);
    expect(output).toContain("Set aside: 5 messages that are no event of the journal (first: pos");
    expect(code).toBe(0);
  });

  test("what is no event does not stand in for one", async () => {
    const { code, output } = await bed.verify(
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
      const { code, output } = await bed.verify(journal.toSpliced(3, 0, message));
      expect(output).toContain("Set aside: 1 message that is no event of the journal");
      expect(output).toContain("is of another type");
      expect(code).toBe(0);
    }
  });

  test("what is no export is told in one line", async () => {
    const file = path.join(bed.directory, "none.jsonl");
    const nested = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    for (const text of ["\xff\xfe}", '{"position":1}', "[1]", nested, '{"position":"\\ud800"}']) {
      await writeFile(file, text, "latin1");
      const { code, output } = await run("python3", [verifier, file]);
      expect(output).toMatch(/^DOES NOT FIT: .*\n$/);
      expect(code).toBe(1);
    }
    expect((await run("python3", [verifier, path.join(bed.directory, "nowhere")])).code).toBe(2);
  });

  test("an export without events does not fit", async () => {
    for (const lines of [[], [{ position: 1, event: base64("poison") }]]) {
      const { code, output } = await bed.verify(lines);
      expect(output).toMatch(/^DOES NOT FIT: the export has no events$/m);
      expect(code).toBe(1);
    }
  });

  test("an amount is written in one way only", async () => {
    const index = journal.findIndex(({ event }) => textOf(event).includes("first salary"));
    const forged = textOf(take(journal, index).event).replaceAll("100.0000", "010.0000");
    const event = Buffer.from(forged, "latin1").toString("base64");
    const { output } = await bed.verify(journal.with(index, { ...take(journal, index), event }));
    expect(output).toContain('"010.0000" is no amount with four decimals');
  });

  test("a journal with every kind of event fits; held money that is not there is found", async () => {
    await using own = await startHistoryBed();
    const tour = await tourOperations(own.wallets);
    const lines = await readJournal(own);
    const { code, output } = await bed.verify(lines);
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
    const found = await bed.verify(lines.with(index, { ...line, event }));
    expect(found.output).toContain(`DOES NOT FIT: position ${line.position}: wallet`);
    expect(found.output).toContain("more is held at version");
    expect(found.code).toBe(1);
  });

  test("an export cut within a line is found", async () => {
    const file = path.join(bed.directory, "cut.jsonl");
    const text = journal.map((line) => `${JSON.stringify(line)}\n`).join("");
    await writeFile(file, text.slice(0, -20));
    const { code, output } = await run("python3", [verifier, file]);
    expect(output).toContain("not a JSON object");
    expect(code).toBe(1);
  });
});

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
