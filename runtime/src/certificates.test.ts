import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  createTestAuthority,
  type TestCertificateFiles,
  writeCertificate,
} from "@pelikuni/e2e/test-certificates";
import { afterAll, beforeEach, expect, test } from "vitest";
import { clientTlsSchema, openCertificates, serverTlsSchema } from "./certificates.ts";
import { createLogger } from "./logger.ts";
import { OperatorError } from "./operator-error.ts";

const directory = mkdtempSync(path.join(tmpdir(), "pelikuni-certificates-"));
const authority = createTestAuthority();
const subject = { commonName: "service", names: ["localhost"] };
const log: string[] = [];
const logger = createLogger(
  "test",
  { level: "info", format: "json" },
  { write: (line) => log.push(line) },
);
let files: TestCertificateFiles;

beforeEach(() => {
  files = writeCertificate(directory, authority, subject);
  log.length = 0;
});

afterAll(() => rmSync(directory, { recursive: true }));

test("files that stay the same are read into the same certificates, and nothing is logged", () => {
  const certificates = openCertificates(files, "test.tls", logger);
  expect(certificates.read()).toBe(certificates.read());
  expect(log).toEqual([]);
});

test("a certificate and key that were replaced are used, and that is logged once", () => {
  const certificates = openCertificates(files, "test.tls", logger);
  const before = certificates.read();
  writeCertificate(directory, authority, subject);
  const after = certificates.read();
  expect(after).not.toBe(before);
  expect(certificates.read()).toBe(after);
  expect(log).toHaveLength(1);
  expect(log[0]).toContain('"use":"test.tls"');
});

test.each([
  ["a certificate without its key", "certificate_file", authority.issue(subject).certificate],
  ["half a certificate", "certificate_file", authority.certificate.slice(0, 300)],
  ["no key", "key_file", "not a key"],
  ["half an authority", "ca_file", authority.certificate.slice(0, 300)],
  ["nothing", "ca_file", ""],
] as const)(
  "%s keeps the old certificates until it is mended, and is logged once",
  (_, file, content) => {
    const certificates = openCertificates(files, "test.tls", logger);
    const before = certificates.read();
    writeFileSync(files[file], content);
    for (let look = 0; look < 3; look += 1) expect(certificates.read()).toBe(before);
    expect(log.filter((line) => line.includes('"level":"error"'))).toHaveLength(1);
    writeCertificate(directory, authority, subject);
    expect(certificates.read()).not.toBe(before);
  },
);

test("a file that is gone keeps the old certificates, and is logged once", () => {
  const certificates = openCertificates(files, "test.tls", logger);
  const before = certificates.read();
  rmSync(files.key_file);
  for (let look = 0; look < 3; look += 1) expect(certificates.read()).toBe(before);
  expect(log).toHaveLength(1);
  expect(log[0]).toMatch(/"level":"error".*ENOENT/);
});

test.each([
  ["ca_file", "no certificate", "ca_file holds no certificate"],
  ["key_file", "no key", "cannot be used"],
] as const)(
  "a start with a wrong %s is refused with the section and the file, not its content",
  (file, content, reason) => {
    writeFileSync(files[file], content);
    const start = (): unknown => openCertificates(files, "test.tls", logger);
    expect(start).toThrow(OperatorError);
    expect(start).toThrow(/test\.tls/);
    expect(start).toThrow(files[file]);
    expect(start).toThrow(reason);
  },
);

test("a key with no certificate, and files without TLS, are mistakes of the configuration", () => {
  const mistakes = (settings: object): unknown[] =>
    clientTlsSchema.safeParse(settings).error?.issues.map(({ path }) => path[0]) ?? [];
  expect(mistakes({})).toEqual([]);
  expect(mistakes({ enabled: true })).toEqual([]);
  expect(mistakes({ enabled: true, key_file: "a" })).toEqual(["certificate_file"]);
  expect(mistakes({ enabled: true, certificate_file: "a" })).toEqual(["key_file"]);
  expect(mistakes({ ca_file: "a" })).toEqual(["enabled"]);
});

test.each([
  [{}, []],
  [{ client_certificates: "required" }, ["ca_file"]],
  [{ client_certificates: "optional" }, ["ca_file"]],
  [{ client_certificates: "required", ca_file: "a" }, []],
  [{ ca_file: "a" }, ["ca_file"]],
])("a port with %j has mistakes in %j", (settings, mistakes) => {
  const pair = { certificate_file: "a", key_file: "b" };
  const { error } = serverTlsSchema.safeParse({ ...pair, ...settings });
  expect(error?.issues.map(({ path }) => path[0]) ?? []).toEqual(mistakes);
});
