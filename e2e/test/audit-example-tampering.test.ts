import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createExportBed,
  describeWithPython,
  type ExportBed,
  type Exported,
  hashOf,
  take,
  textOf,
} from "../src/exported-journal.ts";

describeWithPython("verifying an export that was tampered with", () => {
  let bed: ExportBed;
  let journal: readonly Exported[];
  beforeAll(async () => {
    bed = await createExportBed();
    journal = bed.journal;
  });
  afterAll(async () => {
    await bed[Symbol.asyncDispose]();
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
      const { code, output } = await bed.verify(tampered);
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
    const { code, output } = await bed.verify(journal.with(index, { ...line, event }));
    expect(output).toMatch(/DOES NOT FIT: position \d+: .*(journal hash|SHA-256)/);
    expect(code).toBe(1);
  });

  test("an event removed from the middle is found, with and without closing the gap", async () => {
    const index = Math.floor(journal.length / 2);
    const { position } = take(journal, index);
    const gap = journal.toSpliced(index, 1);
    expect(await bed.verify(gap)).toMatchObject({
      code: 1,
      output: expect.stringContaining(`position ${position} comes next; it is missing`),
    });
    const closed = gap.map((line, at) => ({ ...line, position: at + 1 }));
    const { code, output } = await bed.verify(closed);
    expect(output).toMatch(/DOES NOT FIT: position \d+: /);
    expect(code).toBe(1);
  });

  test("an event removed at the end is found, with its hash and without", async () => {
    const cut = journal.slice(0, -1);
    const last = take(journal, journal.length - 1);
    expect(await bed.verify(cut)).toMatchObject({
      code: 1,
      output: expect.stringContaining("the export ends inside a segment"),
    });
    const moved = cut.with(-1, { ...take(cut, cut.length - 1), ...hashOf(last) });
    expect(await bed.verify(moved)).toMatchObject({
      code: 1,
      output: expect.stringContaining(`position ${moved.length}: the journal hash of positions`),
    });
  });

  test("whole segments removed at the end are found by an anchor, and by nothing else", async () => {
    const { position, journal_hash: hash = "" } = take(journal, journal.length - 1);
    const anchor = ["--anchor", String(position), hash];
    expect((await bed.verify(journal, ...anchor)).code).toBe(0);
    const end = journal.slice(0, -1).findLastIndex((line) => line.journal_hash !== undefined);
    const cut = journal.slice(0, end + 1);
    expect((await bed.verify(cut)).code).toBe(0);
    expect(await bed.verify(cut, "--to", String(position))).toMatchObject({
      code: 1,
      output: expect.stringContaining(`position ${position} is not in the export`),
    });
    expect(await bed.verify(cut, ...anchor)).toMatchObject({
      code: 1,
      output: expect.stringContaining("cut off"),
    });
    const other = hash.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
    expect(await bed.verify(journal, "--anchor", String(position), other)).toMatchObject({
      code: 1,
      output: expect.stringContaining("not the one of the anchor"),
    });
  });

  test("two events in each other's place are found, also with the positions of the places", async () => {
    for (let index = 0; index + 1 < journal.length; index += 7) {
      const [first, second] = [take(journal, index), take(journal, index + 1)];
      const swapped = journal.with(index, second).with(index + 1, first);
      expect((await bed.verify(swapped)).output).toMatch(/^DOES NOT FIT: position \d+: /);
      const renamed = journal
        .with(index, { ...first, event: second.event })
        .with(index + 1, { ...second, event: first.event });
      const { code, output } = await bed.verify(renamed);
      expect(output).toMatch(/^DOES NOT FIT: position \d+: /);
      expect(code).toBe(1);
    }
  });

  test("a changed hash is found where it stands", async () => {
    const index = journal.findIndex((line) => line.journal_hash !== undefined);
    const line = take(journal, index);
    const hash = "00".repeat(32);
    expect(await bed.verify(journal.with(index, { ...line, journal_hash: hash }))).toMatchObject({
      code: 1,
      output: expect.stringContaining(`position ${line.position}: the journal hash of positions`),
    });
  });
});
