import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { type OwnPostgres, startOwnPostgres } from "@pelikuni/e2e/own-postgres";
import {
  createTestAuthority,
  type Subject,
  type TestCertificateFiles,
  writeCertificate,
} from "@pelikuni/e2e/test-certificates";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ClientTls } from "../src/certificates.ts";
import { createLogger } from "../src/logger.ts";
import { prepareSchema } from "../src/migrations.ts";
import { OperatorError } from "../src/operator-error.ts";
import { listen } from "../src/port.ts";
import { createDatabaseClient } from "../src/postgres.ts";

const directory = mkdtempSync(path.join(tmpdir(), "pelikuni-postgres-tls-"));
const lines: string[] = [];
const logger = createLogger(
  "test",
  { level: "trace", format: "json" },
  { write: (line) => lines.push(line) },
);
const known = createTestAuthority();
const unknown = createTestAuthority();
const server = { commonName: "postgres", names: ["localhost", "127.0.0.1"] };

let postgres: OwnPostgres;
let files: TestCertificateFiles;
let strangers: TestCertificateFiles;

beforeAll(async () => {
  files = writeCertificate(directory, known, { commonName: "client" });
  strangers = writeCertificate(directory, unknown, { commonName: "stranger" });
  postgres = await startOwnPostgres();
  await serve(server);
});
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

/** Has the server show a certificate of the known authority. */
async function serve(subject: Subject, clientAuthority?: string): Promise<void> {
  const certificates = { server: known.issue(subject) };
  await postgres.encrypt(
    clientAuthority === undefined ? certificates : { ...certificates, clientAuthority },
  );
}

interface Way {
  readonly url: string;
  readonly tls?: ClientTls;
}

/** Whether a connection is encrypted; throws when there is none. */
async function ask(way: Way): Promise<boolean> {
  await using client = createDatabaseClient({
    ...way,
    applicationName: "test",
    connectionsMax: 1,
    callTimeoutMs: 5_000,
    logger,
  });
  const rows = await client.call(
    (sql) => sql<{ ssl: boolean }[]>`
    select ssl from pg_stat_ssl where pid = pg_backend_pid()`,
  );
  return rows[0]?.ssl ?? false;
}

/** Why a connection fails. */
async function failure(way: Way): Promise<string> {
  return await ask(way).then(
    () => "it did not fail",
    (error: unknown) =>
      error instanceof Error ? `${error.message} ${error.cause}` : String(error),
  );
}

function trusting(ca_file: string): ClientTls {
  return { enabled: true, ca_file };
}

/** The address with another name of this machine, and an sslmode. */
function urlOf({ host = "127.0.0.1", sslmode = "" }): string {
  const url = new URL(postgres.serviceUrl);
  url.hostname = host;
  if (sslmode !== "") url.searchParams.set("sslmode", sslmode);
  return url.href;
}

describe("a server whose certificate is of a known authority", () => {
  test("does not speak without TLS", async () => {
    expect(await failure({ url: postgres.serviceUrl })).toMatch(/no encryption/);
  });

  test.each(["127.0.0.1", "localhost"])("is used by the name %s, encrypted", async (host) => {
    expect(await ask({ url: urlOf({ host }), tls: trusting(files.ca_file) })).toBe(true);
  });

  test.each(["require", "verify-ca", "verify-full"])(
    "is used with sslmode=%s beside the settings",
    async (sslmode) => {
      expect(await ask({ url: urlOf({ sslmode }), tls: trusting(files.ca_file) })).toBe(true);
    },
  );

  test.each(["require", "verify-ca", "verify-full"])(
    "is refused with sslmode=%s where nobody said that it is known",
    async (sslmode) => {
      expect(await failure({ url: urlOf({ sslmode }) })).toMatch(/certificate|UNABLE_TO/);
    },
  );

  test("is refused where another authority is trusted", async () => {
    const tls = trusting(strangers.ca_file);
    expect(await failure({ url: postgres.serviceUrl, tls })).toMatch(/certificate|UNABLE_TO/);
  });

  test("can be migrated over TLS", async () => {
    const migrations = mkdtempSync(path.join(directory, "migrations-"));
    for (const [file, text] of [
      ["0001_coins.sql", "create table coins (id int);"],
      ["service_role.sql", 'grant select on coins to :"service_role";'],
    ] as const) {
      writeFileSync(path.join(migrations, file), text);
    }
    const { serviceUrl: url, ownerUrl: migration_url } = postgres;
    const tls = trusting(files.ca_file);
    await prepareSchema({ url, migration_url, tls }, migrations, logger);
    await prepareSchema({ url, tls }, migrations, logger);
    const refused = prepareSchema({ url, tls: trusting(strangers.ca_file) }, migrations, logger);
    await expect(refused).rejects.toThrow(/certificate|unable to verify/);
  });
});

test("a server whose certificate is for another host is refused, by name and by address", async () => {
  await serve({ commonName: "127.0.0.1", names: ["elsewhere.example", "10.0.0.1"] });
  for (const host of ["127.0.0.1", "localhost"]) {
    const way = { url: urlOf({ host, sslmode: "require" }), tls: trusting(files.ca_file) };
    expect(await failure(way)).toMatch(/altnames/);
  }
  // Node takes an address that the driver does not tell for "localhost".
  await serve({ commonName: "postgres", names: ["localhost"] });
  expect(await failure({ url: urlOf({}), tls: trusting(files.ca_file) })).toMatch(/altnames/);
  expect(await ask({ url: urlOf({ host: "localhost" }), tls: trusting(files.ca_file) })).toBe(true);
  await serve(server);
});

test("a server that asks for a certificate gets it, and the changed one at the next connection", async () => {
  await serve(server, known.certificate);
  expect(await failure({ url: postgres.serviceUrl, tls: trusting(files.ca_file) })).toMatch(
    /certificate|SSL|ECONNRESET|EPIPE/,
  );
  const { certificate_file, key_file } = strangers;
  const own = { enabled: true, ca_file: files.ca_file };
  const tls = {
    ...own,
    certificate_file: path.join(directory, "own.pem"),
    key_file: path.join(directory, "own-key.pem"),
  };
  const use = ({ certificate, key }: ReturnType<typeof known.issue>): void => {
    writeFileSync(tls.certificate_file, certificate);
    writeFileSync(tls.key_file, key);
  };
  expect(
    await failure({ url: postgres.serviceUrl, tls: { ...own, certificate_file, key_file } }),
  ).toMatch(/certificate|SSL|ECONNRESET|EPIPE/);
  use(known.issue({ commonName: "client" }));
  await using client = createDatabaseClient({
    url: postgres.serviceUrl,
    tls,
    applicationName: "test",
    connectionsMax: 1,
    callTimeoutMs: 5_000,
    logger,
  });
  const serial = async (): Promise<unknown> => {
    const [row] = await client.call(
      (sql) => sql`
      select client_serial::text as serial from pg_stat_ssl where pid = pg_backend_pid()`,
    );
    return row?.serial;
  };
  const first = await serial();
  use(known.issue({ commonName: "client" }));
  expect(await serial()).toBe(first);
  client.reset();
  expect(await serial()).not.toBe(first);
  await serve(server);
});

describe("settings that contradict each other or promise nothing", () => {
  const url = "postgres://app:s3cret@db.example:5432/wallet";
  test.each([
    [`${url}?sslmode=prefer`, false, /sslmode/],
    [`${url}?sslmode=allow`, false, /sslmode/],
    [`${url}?sslmode=no-verify`, true, /sslmode/],
    [`${url}?sslmode=disable`, true, /disable.*enabled is true/],
    [`${url}?sslmode=verify-full&sslrootcert=/ca.pem`, false, /sslrootcert/],
    [`${url}?ssl=true`, false, /\bssl\b/],
  ])("%s with TLS %s is refused without its password", async (address, enabled, reason) => {
    const told = ask({ url: address, tls: { enabled } });
    await expect(told).rejects.toThrow(OperatorError);
    await expect(told).rejects.toThrow(reason);
    await expect(told).rejects.not.toThrow(/s3cret/);
  });
});

test("a server that does not speak TLS is told nothing", async () => {
  const heard: Buffer[] = [];
  await using server = createServer((socket) => {
    // "N": it does not.
    socket.once("data", () => socket.write("N"));
    socket.on("data", (bytes) => heard.push(bytes));
    socket.on("error", () => undefined);
  });
  const port = await listen(server, "127.0.0.1", 0);
  const told = failure({
    url: `postgres://app:s3cret@127.0.0.1:${port}/wallet?sslmode=require`,
    tls: trusting(files.ca_file),
  });
  await expect.poll(() => heard.length).toBeGreaterThanOrEqual(2);
  for (const bytes of heard) expect(bytes.toString("latin1")).not.toMatch(/app|wallet|s3cret/);
  expect(await told).toMatch(/cannot be reached|did not answer|lost/);
});

test("nothing that was logged holds a password", () => {
  const passwords = [postgres.serviceUrl, postgres.ownerUrl].map((url) => new URL(url).password);
  expect(lines.length).toBeGreaterThan(0);
  for (const password of passwords) expect(lines.join("")).not.toContain(password);
});
