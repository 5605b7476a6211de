import { expect, test } from "vitest";
import { createLogger, type LineSink } from "./logger.ts";

function collect(): LineSink & { readonly lines: string[] } {
  const lines: string[] = [];
  return { lines, write: (line) => lines.push(line) };
}

test("JSON lines carry name, level as a word, an RFC 3339 time, and the sentence", () => {
  const sink = collect();
  createLogger("wallet-service", { level: "info", format: "json" }, sink).info(
    { walletId: "w1" },
    "Wallet created",
  );
  expect(JSON.parse(sink.lines.join(""))).toMatchObject({
    name: "wallet-service",
    level: "info",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    walletId: "w1",
    msg: "Wallet created",
  });
});

test("passwords in URLs are never logged, in values, sentences or errors", () => {
  for (const format of ["json", "pretty"] as const) {
    const sink = collect();
    const logger = createLogger("test", { level: "info", format }, sink);
    const url = "postgres://app:s3cret@db:5432/wallet";
    logger.error({ url, error: new Error(`no answer from ${url}`) }, `Lost ${url}`);
    expect(sink.lines.join("")).toContain("postgres://app:***@db:5432/wallet");
    expect(sink.lines.join("")).not.toContain("s3cret");
  }
});

test("API keys and bearer tokens are never logged, and what is shown of a key is", () => {
  const sink = collect();
  const logger = createLogger("test", { level: "info", format: "json" }, sink);
  const key = "pelikuni_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
  const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
  logger.warn({ key, header: `Bearer ${token}`, prefix: "pelikuni_01234567" }, `Lost ${key}.`);
  expect(JSON.parse(sink.lines.join(""))).toMatchObject({
    key: "pelikuni_***",
    header: "Bearer ***",
    prefix: "pelikuni_01234567",
    msg: "Lost pelikuni_***.",
  });
});

test("what is thrown without being an error is logged as it is", () => {
  const sink = collect();
  const logger = createLogger("test", { level: "info", format: "json" }, sink);
  logger.info({ error: "no such topic" }, "Lost");
  expect(JSON.parse(sink.lines.join(""))).toMatchObject({ error: "no such topic" });
});

test("a URL without a password is logged as it is", () => {
  const sink = collect();
  const logger = createLogger("test", { level: "info", format: "json" }, sink);
  logger.info("http://localhost:8000/users/a@b.example/wallets");
  expect(sink.lines.join("")).toContain("http://localhost:8000/users/a@b.example/wallets");
});

test("the readable form puts one event on one line and leaves process numbers out", () => {
  const sink = collect();
  const logger = createLogger("gateway", { level: "info", format: "pretty" }, sink);
  logger.info({ port: 8000 }, "Serving REST");
  expect(sink.lines).toHaveLength(1);
  expect(sink.lines[0]).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO \(gateway\): .*Serving REST/);
  expect(sink.lines[0]).toContain("8000");
});

test("levels below the configured one are left out", () => {
  const sink = collect();
  createLogger("test", { level: "warn", format: "json" }, sink).info("hidden");
  expect(sink.lines).toEqual([]);
});
